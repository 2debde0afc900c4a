"""Settings by short names: `region` instead of `instance.region`, taken from the schema of the configuration."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock.build.loading import document_of, from_document, load
from imds_mock.config.errors import ConfigError, Problem
from imds_mock.config.marks import known_keys
from imds_mock.config.settings import FIXED_SECTIONS, Config
from imds_mock.violations.words import fields_of, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME: Final = "settings"
_PREFERRED: Final = ("metadata_options", "instance")
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "server": {"hosts": ["127.0.0.1"], "port": 0, "access_log": "off", "stop_grace_seconds": 0.2},
    "control": {"hosts": ["127.0.0.1"], "port": 0, "socket": ""},
    "agents": {"any_host": True},
}


def start_config(
    source: Config | Mapping[str, Any] | str | os.PathLike[str] | None, settings: Mapping[str, Any]
) -> Config:
    """The configuration that a mock for tests starts with: on loopback and free ports unless it says otherwise.

    Args:
        source: Settings, a mapping as in a file, the path of a YAML or JSON file, or None.
        settings: Further settings by their short names.

    Raises:
        ConfigError: The configuration is invalid.
    """
    if isinstance(source, Config):
        config = source
    else:
        path = Path(source) if isinstance(source, str | os.PathLike) else None
        document: dict[str, Any] = {} if source is None or isinstance(source, str | os.PathLike) else {**source}
        for section, defaults in _DEFAULTS.items():
            given = document.get(section, {})
            document[section] = {**defaults, **given} if isinstance(given, dict) else given
        config = load({}, {}, path, document) if path else from_document(document)
    config = changed(config, settings, at_start=True)
    if not config.control.enabled:
        raise ConfigError("control.enabled: a mock for tests needs the control plane, because it keeps the journal")
    return config


def changed(config: Config, settings: Mapping[str, Any], *, at_start: bool = False) -> Config:
    """A configuration with some settings changed.

    Args:
        config: The configuration.
        settings: Values by short name (`region`), by both names (`credentials__role_arn`), or whole sections
            (`ecs={...}`), whose given keys are changed.
        at_start: Allow settings that take effect at the start only.

    Raises:
        ConfigError: Names are unknown or values are invalid; names all of them.
    """
    return (
        from_document(changed_document(document_of(config), settings, at_start=at_start), _NAME) if settings else config
    )


def changed_document(
    document: Mapping[str, Any], settings: Mapping[str, Any], *, at_start: bool = False
) -> dict[str, Any]:
    """A configuration document with some settings changed; values are not checked.

    Args:
        document: The configuration as plain values.
        settings: As for `changed`.
        at_start: Allow settings that take effect at the start only.

    Raises:
        ConfigError: Names are unknown; names all of them.
    """
    require_names(settings)
    names = short_names()
    problems: list[Problem] = []
    changes = dict(document)
    for name, value in settings.items():
        path = names[name]
        if path[0] in FIXED_SECTIONS and not at_start:
            problems.append(
                Problem(
                    f"{name}={value!r}: {'.'.join(path)} takes effect at the start only; pass it to the constructor"
                )
            )
        else:
            _put(changes, path, value)
    if problems:
        raise ConfigError(problems)
    return changes


def require_names(settings: Mapping[str, Any], also: Iterable[str] = ()) -> None:
    """Check that every setting is known.

    Args:
        settings: Values by name.
        also: Further names to suggest.

    Raises:
        ConfigError: Some are unknown; names all of them.
    """
    names = short_names()
    problems: list[Problem] = []
    for name in settings.keys() - names.keys():
        like = nearest(name, [*names, *also])
        advice = f"did you mean {like}?" if like else "see docs/configuration.md for the known ones"
        problems.append(Problem(f"unknown setting {name}={settings[name]!r}; {advice}"))
    if problems:
        raise ConfigError(problems)


@cache
def short_names() -> dict[str, tuple[str, ...]]:
    """Every name of a setting with its key path: short names, both names, sections."""
    paths = [path for path in known_keys(Config) if len(path) > 1]
    names: dict[str, tuple[str, ...]] = {"__".join(path): path for path in paths}
    names |= {known.encode_name: (known.encode_name,) for known in fields_of(Config)}
    for section in _PREFERRED:
        names |= {path[1]: path for path in paths if path[0] == section and len(path) == 2 and path[1] not in names}  # noqa: PLR2004 - section and key
    others = [path for path in paths if path[0] not in {*_PREFERRED, *FIXED_SECTIONS}]
    last = [path[-1] for path in others]
    return names | {path[-1]: path for path in others if last.count(path[-1]) == 1 and path[-1] not in names}


def _put(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    held = document
    for part in path[:-1]:
        held[part] = dict(held.get(part) or {})
        held = held[part]
    if len(path) == 1 and isinstance(value, dict) and isinstance(held.get(path[0]), dict) and path[0] != "metadata":
        held[path[0]] = {**held[path[0]], **value}
    else:
        held[path[-1]] = value
