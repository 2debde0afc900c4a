"""AEMM's settings from all sources: for each key flag, variable, config file, section `aemm`, default."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import field

from imds_mock.aemm import data, files, hints, keys, values
from imds_mock.aemm.keys import KEYS, VARIABLE_PREFIX, Command, ConfigFileError, UsageError, default_path
from imds_mock.records import Record
from imds_mock.violations.hiding import NOT_SHOWN, is_word
from imds_mock.violations.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imds_mock.aemm.arguments import Arguments
    from imds_mock.aemm.values import Value

COMMAND_KEY: Final = "command"
_CONFIG_FILE: Final = "config-file"
_SECTION: Final = "section aemm"
# Kubernetes and Docker links set these variables for a service or container with the name aemm.
_SERVICE_VARIABLE: Final = re.compile(r"AEMM_(NAME|ENV_\w+|(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT_\d+_\w+))")
_SERVICE_PORT: Final = re.compile(r"(tcp|udp|sctp)://.*")


class Settings(Record, frozen=True):
    """AEMM's settings.

    Attributes:
        command: The events to mock.
        values: The current values of all keys.
        given: The values that a source sets.
        origins: The sources of these values: `flag -p`, `variable NAME`, `file NAME`.
        config_file: The config file; None without one.
        warnings: Sentences about settings without an effect.
    """

    command: Command
    values: Mapping[str, Value]
    given: Mapping[str, Value] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    config_file: Path | None = None
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The value of a text key."""
        return str(self.values[name] or "")

    def number(self, name: str) -> int:
        """The value of a key with a whole number."""
        return cast("int", self.values[name])

    def is_on(self, name: str) -> bool:
        """The value of a switch."""
        return bool(self.values[name])

    def section(self) -> dict[str, Value]:
        """The settings as a section, which `read_section` turns into the same values."""
        command = {COMMAND_KEY: self.command.words[0]} if self.command is not Command.ALL else {}
        return {**command, **self.given}


def load(
    arguments: Arguments,
    environ: Mapping[str, str],
    section: Mapping[str, Any] | None = None,
    native: Mapping[str, Value] = MappingProxyType({}),
) -> Settings:
    """Merge all sources.

    Args:
        arguments: The command line.
        environ: Environment variables.
        section: The section `aemm` of the configuration; all other sources override it.
        native: Values from the mock's own settings; `section` overrides them.

    Raises:
        ConfigFileError: The config file cannot be read.
        UsageError: A variable or a key is invalid.
    """
    lowest = read_section(section or {})
    path = _config_file(arguments, environ)
    source = f"file {path}"
    raw_file = _check_shape(files.read(path), source) if path else {}
    variables = {key.variable: key.name for key in KEYS.values()}
    set_variables = {name: environ[name] for name in aemm_variables(environ)}
    unknown = [
        *(
            f"key {hints.redacted_key(name)} in {source} has no effect: {hints.key_hint(name)}"
            for name in raw_file
            if name not in KEYS
        ),
        *(f"variable {name} has no effect: {hints.variable_hint(name)}" for name in set_variables.keys() - variables),
    ]
    from_file, from_environ = _read_all(
        {f"key {name} in {source}": (name, value) for name, value in _known(raw_file).items()},
        {f"variable {name}": (variables[name], set_variables[name]) for name in set_variables.keys() & variables},
        problems=sorted(unknown),
    )
    given = {**lowest.given, **from_file, **from_environ, **arguments.values}
    origins = (
        dict(lowest.origins)
        | dict.fromkeys(from_file, source)
        | {name: f"variable {KEYS[name].variable}" for name in from_environ}
        | {name: f"flag {arguments.flags[name]}" for name in arguments.values}
    )
    warnings = [*unknown, *(f"argument {word!r} has no effect" for word in arguments.extra)]
    if path is not None:
        given[_CONFIG_FILE] = str(path)
    command = lowest.command if arguments.command is Command.ALL else arguments.command
    return Settings(command, _merged(given, native), given, origins, path, tuple(sorted(warnings)))


def read_section(section: Mapping[str, Any], native: Mapping[str, Value] = MappingProxyType({})) -> Settings:
    """The settings in the section `aemm` of the mock's configuration.

    Args:
        section: Values by dotted or nested key; `command` is a subcommand.
        native: Values from the mock's own settings.

    Raises:
        UsageError: A key is unknown or invalid.
    """
    raw = _check_shape(files.flatten(section), _SECTION)
    word = raw.pop(COMMAND_KEY, None)
    command = Command.ALL if word in (None, "") else keys.COMMANDS.get(str(word))
    if command is None:
        raise UsageError(f"key {COMMAND_KEY} in {_SECTION}: expected one of {', '.join(keys.COMMANDS)}, got {word!r}")
    names = [name for name in raw if name not in KEYS]
    unknown = [f"unknown key {hints.redacted_key(name)} in {_SECTION}: {hints.key_hint(name)}" for name in names]
    places = {f"key {name} in {_SECTION}": (name, value) for name, value in _known(raw).items()}
    (given,) = _read_all(places, problems=unknown)
    if unknown:
        raise UsageError(listed(unknown))
    return Settings(command, _merged(given, native), given, dict.fromkeys(given, _SECTION))


def aemm_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """AEMM's variables in the environment, sorted, without those that Kubernetes sets for a service."""
    return tuple(
        name
        for name in sorted(environ)
        if name.startswith(VARIABLE_PREFIX)
        and not _SERVICE_VARIABLE.fullmatch(name)
        and not _SERVICE_PORT.fullmatch(environ[name])
    )


def _config_file(arguments: Arguments, environ: Mapping[str, str]) -> Path | None:
    named = arguments.values.get(_CONFIG_FILE) or environ.get(KEYS[_CONFIG_FILE].variable)
    if named:
        path = Path(str(named))
        if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises if the folder cannot be searched
            flag = arguments.flags.get(_CONFIG_FILE)
            origin = f"flag {flag}" if flag else f"variable {KEYS[_CONFIG_FILE].variable}"
            raise ConfigFileError(f"config file {path} ({origin}) does not exist")
        return path
    return files.default_file(environ.get("HOME"))


def _check_shape(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Reject values in the place of sections, and sections in the place of values; drop empty sections."""
    shaped: dict[str, Any] = {}
    for name, value in raw.items():
        parts = name.split(".")
        above = next((key for i in range(1, len(parts)) if (key := ".".join(parts[:i])) in KEYS), None)
        if above:
            _read(above, {parts[-1]: value}, f"key {above} in {source}")
        if not any(key.startswith(f"{name}.") for key in KEYS):
            shaped[name] = value
        elif value not in (None, {}):
            got = NOT_SHOWN if isinstance(value, str) and not is_word(value) else values.describe(value)
            raise UsageError(f"key {name} in {source}: expected an object with settings, got {got}")
    return shaped


def _known(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The known keys with a value; null leaves a key unset."""
    return {name: value for name, value in raw.items() if name in KEYS and value is not None}


def _read_all(*sources: Mapping[str, tuple[str, Any]], problems: Sequence[str]) -> list[dict[str, Value]]:
    """Read the values of sources.

    Args:
        sources: For each source its keys and values, by place.
        problems: Other problems, listed together with invalid values.

    Raises:
        UsageError: Values are invalid; lists all of them.
    """
    found: list[dict[str, Value]] = []
    invalid: list[str] = []
    for source in sources:
        found.append({})
        for place, (name, value) in source.items():
            try:
                found[-1][name] = _read(name, value, place)
            except UsageError as error:
                invalid.append(str(error))
    if invalid:
        raise UsageError(listed([*invalid, *problems]))
    return found


def _read(name: str, value: object, place: str) -> Value:
    try:
        return KEYS[name].read(value)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error


def _merged(given: Mapping[str, Value], native: Mapping[str, Value]) -> Mapping[str, Value]:
    """The values of all keys, with defaults; default paths contain the current values."""
    below = {name: value for name, value in native.items() if value != "" or not _has_value(name, given)}
    merged = {key.name: given.get(key.name, below.get(key.name, key.default)) for key in KEYS.values()}
    for row in data.ROWS:
        name = f"{row.section}.paths.{row.key}"
        if name not in given and name not in below:
            merged[name] = default_path(row, {key: str(merged[f"metadata.values.{key}"]) for key in keys.PATH_PARTS})
    return MappingProxyType(merged)


def _has_value(path_name: str, given: Mapping[str, Value]) -> bool:
    """Whether a value is given for the leaf of a path; then no lower source may remove the leaf."""
    name = path_name.replace(".paths.", ".values.", 1)
    return any(f"{key}.".startswith(f"{name}.") for key in given)
