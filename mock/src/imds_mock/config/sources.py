"""Where a configuration comes from: a file, variables and flags, each read into a document of plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args, get_origin

import msgspec

from imds_mock.config.errors import ConfigError, KeyPath, Problem, dotted, nearest, renamed
from imds_mock.config.plain_documents import read_document_text, read_json, read_yaml
from imds_mock.config.settings import Config
from imds_mock.violations.hiding import shown_unless_secret
from imds_mock.violations.words import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREFIX: Final = "IMDS_MOCK_"
_ALL_SETTINGS: Final = "`imds-mock config show` prints all settings"
FILE_VARIABLE: Final = "IMDS_MOCK_CONFIG"

COMMAND_LINE: Final = "command line"
"""What messages call the source of flags."""

SHORT_SECTIONS: Final = frozenset({"server", "metadata_options", "instance"})
"""Sections whose name is left out of the names of variables."""

CONTROL_URL_VARIABLE: Final = "IMDS_MOCK_CONTROL_URL"

RESERVED: Final = {FILE_VARIABLE, CONTROL_URL_VARIABLE}
"""Variables with the prefix that other parts read."""

# Kubernetes and Docker links put these into the environment when a service or a container is called imds-mock.
_OF_SERVICES: Final = re.compile(r"IMDS_MOCK_(SERVICE_(HOST|PORT\w*)|PORT_\d+_\w+|NAME|ENV_\w+)")
_OF_SERVICE_PORT: Final = re.compile(r"(tcp|udp|sctp)://.*")
_NULL: Final = "null"


class Source(NamedTuple):
    """A document and what an error message calls its keys.

    Attributes:
        document: Nested mappings and lists of plain values.
        name: The file, if it is one.
        names: Key path to the variable or flag that set it.
        problems: What could not be read, and is not in the document.
    """

    document: dict[str, Any]
    name: str = ""
    names: Mapping[KeyPath, str] = {}
    problems: tuple[Problem, ...] = ()

    def place_of(self, path: KeyPath) -> str | None:
        """What to call the key in a message, None if it is not from here."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.names:
                return self.names[path[:length]]
        held: Any = self.document
        if self.name:
            for depth, part in enumerate(path):
                try:
                    held = held[part]
                except (KeyError, IndexError, TypeError):
                    # A key that is missing is asked about where the mapping is that lacks it.
                    return self.name if depth and depth == len(path) - 1 else None
            return self.name
        return None


def file_of(environ: Mapping[str, str], file: Path | None) -> Path | None:
    """The configuration file: the one given, or the one that `IMDS_MOCK_CONFIG` names.

    Args:
        environ: Environment variables.
        file: What was given.
    """
    named = environ.get(FILE_VARIABLE)
    return Path(named) if file is None and named else file


def read_file(path: Path) -> Source:
    """Read a configuration file: JSON where its name ends in `.json`, YAML otherwise.

    Args:
        path: The file.

    Raises:
        ConfigError: It cannot be read, or is no mapping of keys.
    """
    text = read_document_text(path)
    document = read_json(text, str(path)) if path.suffix == ".json" else read_yaml(text, str(path))
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path}: expected a mapping with {', '.join(_sections())}, got {shown_unless_secret(document)}"
        )
    return Source({key: value for key, value in document.items() if not str(key).startswith("x-")}, str(path))


def read_environment(environ: Mapping[str, str]) -> Source:
    """Read the settings among environment variables.

    `IMDS_MOCK_` and the key in capitals; the sections `server`, `metadata_options` and `instance` are left out,
    others are not (`IMDS_MOCK_PORT`, `IMDS_MOCK_REGION`, `IMDS_MOCK_CREDENTIALS_SEED`). An empty value is no value,
    `null` is null. Lists are separated by commas, mappings are written `key=value,key=value`; both may be YAML too.
    Unknown variables with the prefix are among the source's problems.
    """
    found: dict[KeyPath, tuple[str, str]] = {}
    unknown = []
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in RESERVED or not text:
            continue
        if _OF_SERVICES.fullmatch(name) or (name == "IMDS_MOCK_PORT" and _OF_SERVICE_PORT.fullmatch(text)):
            continue
        known = variables()
        old = renamed([Config], name.removeprefix(PREFIX).lower(), text, lambda new: PREFIX + new.upper(), "=")
        if old is not None:
            unknown.append(Problem(f"{name}: {old.sentence}"))
        elif name not in known:
            unknown.append(Problem(f"unknown setting {name}{_did_you_mean(name, known)}"))
        else:
            found[known[name]] = (name, text)
    source = read_named(found)
    return source._replace(problems=(*unknown, *source.problems))


def read_named(values: Mapping[KeyPath, tuple[str, object]]) -> Source:
    """Read values that have names of their own, from variables or flags.

    Args:
        values: Key path to the name and the value; text is read as the key's type wants it.
    """
    document: dict[str, Any] = {}
    problems: list[Problem] = []
    for path, (name, value) in values.items():
        try:
            where = f"{name}: {dotted(path)}" if name == COMMAND_LINE else name
            read = read_text(value, key_types()[path], where) if isinstance(value, str) else value
        except ConfigError as error:
            problems += error.problems
            continue
        held = document
        for part in path[:-1]:
            held = held.setdefault(str(part), {})
        held[str(path[-1])] = read
    return Source(document, names={path: name for path, (name, _) in values.items()}, problems=tuple(problems))


def require_known(key: str, value: object = None) -> KeyPath:
    """The path of a dotted key such as `server.port`.

    Args:
        key: The key.
        value: Its value, for the message about an old name.

    Raises:
        ConfigError: The schema does not have it on its first two levels.
    """
    path = tuple(key.split("."))
    if path in key_types():
        return path
    old = renamed([Config], key, value, sign="=")
    if old is not None:
        raise ConfigError(f"{key}: {old.sentence}")
    known = {dotted(known): dotted(known) for known in key_types()}
    known |= {str(path[-1]): dotted(path) for path in key_types()}
    like = nearest(key, known)
    raise ConfigError(f"unknown setting {key}" + (f"; did you mean {known[like]}?" if like else f"; {_ALL_SETTINGS}"))


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one document over another: mappings key by key, anything else whole; null is a value like others."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = merge(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


@cache
def key_types() -> dict[KeyPath, Any]:
    """Every key of the schema's first two levels, with its type."""
    types: dict[KeyPath, Any] = {}
    for section in fields_of(Config):
        kind = _bare(section.type)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            types |= {(section.name, known.name): known.type for known in fields_of(kind)}
        else:
            types[section.name,] = section.type
    return types


@cache
def variables() -> dict[str, KeyPath]:
    """The environment variable of every key."""
    return {
        PREFIX + "_".join(str(part) for part in (path[1:] if path[0] in SHORT_SECTIONS else path)).upper(): path
        for path in key_types()
    }


def _sections() -> Iterable[str]:
    return (section.name for section in fields_of(Config))


def _bare(kind: Any) -> Any:
    while hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    return kind


def read_text(text: str, kind: Any, name: str) -> Any:
    """Read the text of a variable or a flag as the type of its key wants it; `null` is null.

    Args:
        text: The text.
        kind: The type of the key.
        name: What an error calls it.

    Raises:
        ConfigError: It is not valid YAML, or a mapping with an entry that has no `=`.
    """
    if text == _NULL:
        return None
    bare = _bare(kind)
    members = [_bare(member) for member in get_args(bare)] if get_origin(bare) not in {dict, tuple} else [bare]
    origins = {get_origin(member) for member in members}
    if not origins & {dict, tuple}:
        is_mapping = isinstance(bare, type) and issubclass(bare, msgspec.Struct)
        return read_yaml(text, name) if is_mapping else text
    if text.lstrip().startswith(("[", "{", "- ")):
        return read_yaml(text, name)
    items = [item.strip() for item in text.split(",")]
    return items if tuple in origins else _mapping(items, name)


def _mapping(items: Sequence[str], name: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    problems = []
    for item in items:
        key, separator, value = item.partition("=")
        if not separator or not key:
            problems.append(Problem(f"{name}: expected key=value,key=value or a YAML mapping, got {item!r}"))
        elif key in entries:
            problems.append(Problem(f"{name}: the key {key!r} is given twice; give it once"))
        entries[key] = value
    if problems:
        raise ConfigError(problems)
    return entries


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    # The prefix that all variables share would make every one of them like another.
    like = nearest(name.removeprefix(PREFIX), (each.removeprefix(PREFIX) for each in known))
    return f"; did you mean {PREFIX}{like}?" if like else f"; {_ALL_SETTINGS}"
