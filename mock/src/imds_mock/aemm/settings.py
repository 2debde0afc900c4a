"""All settings of AEMM as one value: flags before variables before the config file before defaults, key by key."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from imds_mock.aemm import data, files, hints, keys, values
from imds_mock.aemm.errors import ConfigFileError, UsageError
from imds_mock.aemm.keys import KEYS, VARIABLE_PREFIX, Command, default_path
from imds_mock.violations.hiding import NOT_SHOWN, is_word
from imds_mock.violations.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imds_mock.aemm.arguments import Arguments
    from imds_mock.aemm.values import Value

COMMAND_KEY: Final = "command"
_CONFIG_FILE: Final = "config-file"
_SECTION: Final = "section aemm"
# Kubernetes and Docker links put these into the environment when a service or a container is called aemm.
_OF_SERVICES: Final = re.compile(r"AEMM_(NAME|ENV_\w+|(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT_\d+_\w+))")
_OF_SERVICE_PORT: Final = re.compile(r"(tcp|udp|sctp)://.*")


@dataclass(frozen=True, slots=True)
class Settings:
    """What AEMM is told.

    Attributes:
        command: What to mock.
        values: Every key to its value in force.
        given: The values that somebody set.
        origins: Where a key's value is from, for those that somebody set: `flag -p`, `variable AEMM_X`, `file NAME`.
        config_file: The config file, if there is one.
        warnings: Sentences about what has no effect.
    """

    command: Command
    values: Mapping[str, Value]
    given: Mapping[str, Value] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    config_file: Path | None = None
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The value of a key that holds text."""
        return str(self.values[name] or "")

    def number(self, name: str) -> int:
        """The value of a key that holds a whole number."""
        return cast("int", self.values[name])

    def is_on(self, name: str) -> bool:
        """The value of a key that holds a switch."""
        return bool(self.values[name])

    def section(self) -> dict[str, Value]:
        """What `of_section` turns into the same values again."""
        command = {COMMAND_KEY: command_name(self.command)} if self.command is not Command.ALL else {}
        return {**command, **self.given}


def load(
    arguments: Arguments,
    environ: Mapping[str, str],
    below: Mapping[str, Any] | None = None,
    own: Mapping[str, Value] = MappingProxyType({}),
) -> Settings:
    """Merge all sources.

    Args:
        arguments: The command line.
        environ: The environment.
        below: A section of settings that goes behind all other sources but the defaults.
        own: What the mock's own settings say; goes behind `below`.

    Raises:
        ConfigFileError: The config file cannot be used.
        UsageError: A variable or a key of the file or section has a wrong value.
    """
    section = of_section(below or {})
    path = _config_file(arguments, environ)
    source = f"file {path}"
    raw_file = _check_shape(files.read(path), source) if path else {}
    variables = {key.variable: key.name for key in KEYS.values()}
    set_variables = {name: environ[name] for name in set_by(environ)}
    unknown = [
        *(
            f"key {hints.named(name)} in {source} has no effect: {hints.for_key(name)}"
            for name in raw_file
            if name not in KEYS
        ),
        *(f"variable {name} has no effect: {hints.for_variable(name)}" for name in set_variables.keys() - variables),
    ]
    from_file, from_environ = _read_all(
        {f"key {name} in {source}": (name, value) for name, value in _known(raw_file).items()},
        {f"variable {name}": (variables[name], set_variables[name]) for name in set_variables.keys() & variables},
        besides=sorted(unknown),
    )
    given = {**section.given, **from_file, **from_environ, **arguments.values}
    origins = (
        dict(section.origins)
        | dict.fromkeys(from_file, source)
        | {name: f"variable {KEYS[name].variable}" for name in from_environ}
        | {name: f"flag {arguments.flags[name]}" for name in arguments.values}
    )
    warnings = [*unknown, *(f"argument {word!r} has no effect" for word in arguments.extra)]
    if path is not None:
        given[_CONFIG_FILE] = str(path)
    command = section.command if arguments.command is Command.ALL else arguments.command
    return Settings(command, _merged(given, own), given, origins, path, tuple(sorted(warnings)))


def of_section(section: Mapping[str, Any], own: Mapping[str, Value] = MappingProxyType({})) -> Settings:
    """Read settings that stand in a section of a larger configuration; there every key must be known.

    Args:
        section: Keys, dotted or nested, to values; `command` names a subcommand.
        own: What the mock's own settings say.

    Raises:
        UsageError: A key is unknown or has a wrong value.
    """
    raw = _check_shape(files.flatten(section), _SECTION)
    word = raw.pop(COMMAND_KEY, None)
    command = Command.ALL if word in (None, "") else keys.COMMANDS.get(str(word))
    if command is None:
        raise UsageError(f"key {COMMAND_KEY} in {_SECTION}: expected one of {', '.join(keys.COMMANDS)}, got {word!r}")
    unknown = [
        f"unknown key {hints.named(name)} in {_SECTION}: {hints.for_key(name)}" for name in raw if name not in KEYS
    ]
    places = {f"key {name} in {_SECTION}": (name, value) for name, value in _known(raw).items()}
    (given,) = _read_all(places, besides=unknown)
    if unknown:
        raise UsageError(listed(unknown))
    return Settings(command, _merged(given, own), given, dict.fromkeys(given, _SECTION))


def set_by(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables of AEMM's that are set, sorted; those that Kubernetes sets for its services are not among them.

    Args:
        environ: The environment.
    """
    return tuple(
        name
        for name in sorted(environ)
        if name.startswith(VARIABLE_PREFIX)
        and not _OF_SERVICES.fullmatch(name)
        and not _OF_SERVICE_PORT.fullmatch(environ[name])
    )


def command_name(command: Command) -> str:
    """The name of a subcommand."""
    return next(name for name, named in keys.COMMANDS.items() if named is command)


def save(settings: Settings, home: str | None) -> Path:
    """Write the settings in force where AEMM does.

    Args:
        settings: The settings.
        home: The home directory; without one the working directory is used.

    Returns:
        The file.

    Raises:
        OSError: It cannot be written.
    """
    path = Path(home or ".") / files.SAVED
    files.write(path, settings.values)
    return path


def _config_file(arguments: Arguments, environ: Mapping[str, str]) -> Path | None:
    named = arguments.values.get(_CONFIG_FILE) or environ.get(KEYS[_CONFIG_FILE].variable)
    if named:
        path = Path(str(named))
        if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a folder may not be looked into
            origin = f"flag {arguments.flags[_CONFIG_FILE]}" if _CONFIG_FILE in arguments.values else "variable " + (
                KEYS[_CONFIG_FILE].variable)  # fmt: skip
            raise ConfigFileError(f"config file {path} ({origin}): there is no such file")
        return path
    return files.default_file(environ.get("HOME"))


def _check_shape(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Refuse a value where settings lie below, and settings below a value; drop sections without settings."""
    shaped: dict[str, Any] = {}
    for name, value in raw.items():
        parts = name.split(".")
        above = next((key for i in range(1, len(parts)) if (key := ".".join(parts[:i])) in KEYS), None)
        if above:
            _read(above, {parts[-1]: value}, f"key {above} in {source}")
        if not any(key.startswith(f"{name}.") for key in KEYS):
            shaped[name] = value
        elif value not in (None, {}):
            shown = NOT_SHOWN if isinstance(value, str) and not is_word(value) else values.shown(value)
            raise UsageError(f"key {name} in {source}: expected an object with settings, got {shown}")
    return shaped


def _known(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among what a file holds; null means that the key is not set."""
    return {name: value for name, value in raw.items() if name in KEYS and value is not None}


def _read_all(*sources: Mapping[str, tuple[str, Any]], besides: Sequence[str]) -> list[dict[str, Value]]:
    """Read all values of some sources.

    Args:
        sources: For each source: place to key and value.
        besides: What else is wrong; is named beside values that cannot be read.

    Raises:
        UsageError: Some cannot be read; names all of them.
    """
    found: list[dict[str, Value]] = []
    problems: list[str] = []
    for source in sources:
        found.append({})
        for place, (name, value) in source.items():
            try:
                found[-1][name] = _read(name, value, place)
            except UsageError as error:
                problems.append(str(error))
    if problems:
        raise UsageError(listed([*problems, *besides]))
    return found


def _read(name: str, value: object, place: str) -> Value:
    try:
        return KEYS[name].read(value)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error


def _merged(given: Mapping[str, Value], own: Mapping[str, Value]) -> Mapping[str, Value]:
    """All settings, those that no source gives with their defaults; default paths follow the values in them."""
    below = {name: value for name, value in own.items() if value != "" or not _has_value(name, given)}
    merged = {key.name: given.get(key.name, below.get(key.name, key.default)) for key in KEYS.values()}
    for row in data.ROWS:
        name = f"{row.section}.paths.{row.key}"
        if name not in given and name not in below:
            merged[name] = default_path(row, _substitutes(merged))
    return MappingProxyType(merged)


def _has_value(path_name: str, given: Mapping[str, Value]) -> bool:
    """Whether a value is given for the leaf whose path this is; then no other source takes the leaf away."""
    name = path_name.replace(".paths.", ".values.", 1)
    return any(f"{key}.".startswith(f"{name}.") for key in given)


def _substitutes(merged: Mapping[str, Value]) -> dict[str, str]:
    return {key: str(merged[f"metadata.values.{key}"]) for key in keys.SUBSTITUTED}
