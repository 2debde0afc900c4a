"""AEMM's config file: found, read in JSON, YAML or TOML, turned into dotted keys, and written back as JSON.

Scalars of YAML stay as they are written (only null is a value of its own): `0123` is no octal number here, nor is
`10:20` one to base 60.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from imds_mock.aemm.errors import ConfigFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_DEFAULT_STEM: Final = "aemm-config"
_OTHER_FORMATS: Final = ("properties", "props", "prop", "hcl", "tfvars", "dotenv", "env", "ini")
SAVED: Final = Path(".ec2-metadata-mock", ".aemm-config-used.json")
"""Where the settings in force are written, below the home directory."""


_RESOLVED: Final = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _Loader(yaml.SafeLoader):
    """Reads every scalar but null and merge keys as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _RESOLVED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read_yaml(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader


_FORMATS: Final[dict[str, Callable[[str], Any]]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": _read_yaml,
    "yml": _read_yaml,
}


def default_file(home: str | None) -> Path | None:
    """The config file in the home directory.

    Args:
        home: The home directory, if there is one.

    Returns:
        The first of `aemm-config.json`, `.toml`, `.yaml` and so on that exists.
    """
    if not home:
        return None
    candidates = (Path(home, f"{_DEFAULT_STEM}.{extension}") for extension in (*_FORMATS, *_OTHER_FORMATS))
    return next((path for path in candidates if path.is_file()), None)


def read(path: Path) -> dict[str, Any]:
    """Read a config file.

    Args:
        path: The file; its extension says what it is written in.

    Returns:
        Lower-case dotted keys to what they hold: text, numbers, truth values, dates, null, lists, empty objects.

    Raises:
        ConfigFileError: It cannot be read, is of another kind, or is not well formed.
    """
    extension = path.suffix.removeprefix(".").lower()
    parse = _FORMATS.get(extension)
    if parse is None:
        raise ConfigFileError(f"config file {path}: {path.suffix or 'no extension'} is not supported; "
                              "write it as .json, .yaml, .yml or .toml")  # fmt: skip
    try:
        document = parse(path.read_text("utf-8-sig"))
        settings = dict(_flatten(document or {}, ""))
    except OSError as error:
        raise ConfigFileError(f"config file {path}: {error.strerror or error}") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigFileError(f"config file {path}: {_one_line(error)}") from error
    return settings


def write(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings as JSON that `read` understands.

    Args:
        path: The file; its directory is made when it is missing.
        settings: Dotted keys to values.

    Raises:
        OSError: It cannot be written.
    """
    document: dict[str, Any] = {}
    for name, value in settings.items():
        *sections, last = name.split(".")
        section = document
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def _flatten(section: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(section, dict):
        raise ValueError("expected an object with settings at its top")  # noqa: TRY004 - the file is wrong
    for name, value in section.items():
        key = f"{prefix}{name}".lower()
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{key}.")
        else:
            yield key, value


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"
    return " ".join(str(error).split())
