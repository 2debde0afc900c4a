"""All settings of AEMM as one value: flags before variables before the config file before defaults, key by key."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from imds_mock.aemm import data, files, keys, values
from imds_mock.aemm.errors import ConfigFileError, UsageError
from imds_mock.aemm.keys import KEYS, Command, default_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.aemm.arguments import Arguments
    from imds_mock.aemm.values import Value

_PREFIX: Final = "AEMM_"
_CONFIG_FILE: Final = "config-file"


@dataclass(frozen=True, slots=True)
class Settings:
    """What AEMM is told.

    Attributes:
        command: What to mock.
        values: Every key to its value in force.
        origins: Where a key's value is from, for those that somebody set: `flag -p`, `variable AEMM_X`, `file NAME`.
        config_file: The config file, if there is one.
        warnings: Sentences about what has no effect.
    """

    command: Command
    values: Mapping[str, Value]
    origins: Mapping[str, str] = field(default_factory=dict)
    config_file: Path | None = None
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The value of a key that holds text."""
        return str(self.values[name] or "")

    def number(self, name: str) -> int:
        """The value of a key that holds a whole number."""
        return int(self.values[name] or 0)

    def is_on(self, name: str) -> bool:
        """The value of a key that holds a switch."""
        return bool(self.values[name])


def load(arguments: Arguments, environ: Mapping[str, str]) -> Settings:
    """Merge all sources.

    Args:
        arguments: The command line.
        environ: The environment.

    Raises:
        ConfigFileError: The config file cannot be used.
        UsageError: A variable or a key of the file has a wrong value.
    """
    path = _config_file(arguments, environ)
    raw_file = files.read(path) if path else {}
    source = f"file {path}"
    raw_file = _check_shape(raw_file, source)
    from_file = _read_all(_known(raw_file), {name: f"key {name} in {source}" for name in raw_file})
    variables = {key.variable: key.name for key in KEYS.values()}
    set_variables = {name: value for name, value in environ.items() if name.startswith(_PREFIX)}
    from_environ = _read_all(
        {variables[name]: value for name, value in set_variables.items() if name in variables},
        {variables[name]: f"variable {name}" for name in set_variables if name in variables},
    )
    given = from_file | from_environ | dict(arguments.values)
    origins = (
        dict.fromkeys(from_file, source)
        | {name: f"variable {KEYS[name].variable}" for name in from_environ}
        | {name: f"flag {arguments.flags[name]}" for name in arguments.values}
    )
    warnings = [
        *(f"key {name} in {source} has no effect: {_nearest(name, KEYS)}" for name in raw_file if name not in KEYS),
        *(f"variable {name} has no effect: {_nearest(name, variables)}" for name in set_variables.keys() - variables),
        *(f"argument {word!r} has no effect" for word in arguments.extra),
    ]
    merged = {key.name: given.get(key.name, key.default) for key in KEYS.values()}
    if path is not None:
        merged[_CONFIG_FILE] = str(path)
    for row in data.ROWS:
        name = f"{row.section}.paths.{row.key}"
        if name not in given:
            merged[name] = default_path(row, _substitutes(merged))
    return Settings(
        arguments.command, MappingProxyType(merged), MappingProxyType(origins), path, tuple(sorted(warnings))
    )


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
        if not path.is_file():
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
            raise UsageError(f"key {above} in {source}: expected a single value, got an object")
        if not any(key.startswith(f"{name}.") for key in KEYS):
            shaped[name] = value
        elif value not in (None, {}):
            raise UsageError(f"key {name} in {source}: expected an object with settings")
    return shaped


def _known(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among what a file holds; null means that nothing is set, except where it is a value."""
    return {
        name: value
        for name, value in raw.items()
        if (key := KEYS.get(name)) and (value is not None or key.read is values.optional_text)
    }


def _read_all(raw: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Value]:
    read: dict[str, Value] = {}
    for name, value in raw.items():
        try:
            read[name] = KEYS[name].read(value)
        except ValueError as error:
            raise UsageError(f"{places[name]}: {error}") from error
    return read


def _substitutes(merged: Mapping[str, Value]) -> dict[str, str]:
    return {key: str(merged[f"metadata.values.{key}"]) for key in keys.SUBSTITUTED}


def _nearest(name: str, known: Mapping[str, object]) -> str:
    if near := difflib.get_close_matches(name, known, 1, 0.7):
        return f"did you mean {near[0]}?"
    return "there is no such setting"
