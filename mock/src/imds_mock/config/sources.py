"""The sources of a configuration: a file, variables and flags, each read into a document of plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args, get_origin

from imds_mock.client_environment import CONTROL_URL
from imds_mock.config.errors import ConfigError, KeyPath, Problem, dotted, nearest, renamed
from imds_mock.config.plain_documents import read_document_text, read_json, read_yaml
from imds_mock.config.settings import Config
from imds_mock.violations.finding import MOST
from imds_mock.violations.hiding import shown_unless_secret
from imds_mock.violations.words import bare_type, fields_of, is_struct, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "IMDS_MOCK_"
_ALL_SETTINGS: Final = "`imds-mock config show` prints all settings"
FILE_VARIABLE: Final = "IMDS_MOCK_CONFIG"

COMMAND_LINE: Final = "command line"
"""What messages call the source of flags."""

SHORT_SECTIONS: Final = frozenset({"server", "metadata_options", "instance"})
"""Sections whose names are not part of the names of variables."""

RESERVED: Final = {FILE_VARIABLE, CONTROL_URL}
"""Variables with the prefix that are not settings."""

# Kubernetes and Docker links set these if a service or container is called imds-mock.
_OF_SERVICES: Final = re.compile(r"IMDS_MOCK_(SERVICE_(HOST|PORT\w*)|PORT_\d+_\w+|NAME|ENV_\w+)")
_OF_SERVICE_PORT: Final = re.compile(r"(tcp|udp|sctp)://.*")
_NULL: Final = "null"


class Source(NamedTuple):
    """A document, and what messages call its keys.

    Attributes:
        document: Nested mappings and lists of plain values.
        name: The file, for a source that is one.
        names: Key path to the variable or flag that set it.
        problems: Problems of what could not be read and is missing in the document.
    """

    document: dict[str, Any]
    name: str = ""
    names: Mapping[KeyPath, str] = {}
    problems: tuple[Problem, ...] = ()

    def place_of(self, path: KeyPath) -> str | None:
        """The file, variable or flag that a key comes from; None if it comes from another source."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.names:
                return self.names[path[:length]]
        held: Any = self.document
        if self.name:
            for depth, part in enumerate(path):
                try:
                    held = held[part]
                except (KeyError, IndexError, TypeError):
                    # A missing required key belongs to the source of its mapping.
                    return self.name if depth and depth == len(path) - 1 else None
            return self.name
        return None


def file_of(environ: Mapping[str, str], file: Path | None) -> Path | None:
    """The configuration file: `file`, or the file that `IMDS_MOCK_CONFIG` names, if any.

    Raises:
        ConfigError: A configuration is given in place of its file.
    """
    named = environ.get(FILE_VARIABLE)
    found = Path(named) if file is None and named else file
    if found is not None and ("\n" in str(found) or str(found).startswith("{")):
        name = FILE_VARIABLE if file is None else "--config"
        raise ConfigError(f"{name}: expected the path of a file, got {shown(str(found))}; write the text to a file")
    return found


def read_file(path: Path) -> Source:
    """Read a configuration file: JSON if its name ends in `.json`, otherwise YAML.

    Raises:
        ConfigError: It cannot be read, or is not a mapping.
    """
    text = read_document_text(path)
    document = read_json(text, str(path)) if path.suffix == ".json" else read_yaml(text, str(path))
    if document is None:
        document = {}
    if not isinstance(document, dict):
        sections, got = ", ".join(Config.__struct_fields__), shown_unless_secret(document)
        raise ConfigError(f"{path}: expected a mapping with {sections}, got {got}")
    return Source({key: value for key, value in document.items() if not str(key).startswith("x-")}, str(path))


def read_environment(environ: Mapping[str, str]) -> Source:
    """Read the settings among environment variables.

    A variable is called `IMDS_MOCK_` and the key in capitals, without the section for `server`, `metadata_options` and
    `instance` (`IMDS_MOCK_PORT`, `IMDS_MOCK_REGION`, `IMDS_MOCK_CREDENTIALS_SEED`). Empty variables are ignored, `null`
    is null. Lists are separated by commas, mappings are written `key=value,key=value`; both may be YAML. Unknown
    variables are among the source's problems.
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
    """Read the values of variables or flags, given as key path to name and value; text is read as its key requires."""
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
    """Turn a dotted key such as `server.port` into a key path.

    Raises:
        ConfigError: The first two levels of the schema do not have it.
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


def places_of(sources: Iterable[Source]) -> dict[str, str]:
    """The file, variable or flag that sets each key of `key_types`, by dotted key; later sources win."""
    places: dict[str, str] = {}
    for source in sources:
        for path in key_types():
            if path in source.names:
                places[dotted(path)] = source.names[path]
            elif source.name and _has(source.document, path):
                places[dotted(path)] = source.name
    return places


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two documents; mappings are merged by key, other values, null included, replace."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = merge(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


@cache
def key_types() -> dict[KeyPath, Any]:
    """The type of every key on the first two levels of the schema."""
    types: dict[KeyPath, Any] = {}
    for section in fields_of(Config):
        kind = bare_type(section.type)
        if is_struct(kind):
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


def read_text(text: str, kind: Any, name: str) -> Any:
    """Read the text of a variable or flag according to the type of its key; `null` is null.

    Raises:
        ConfigError: It is not valid YAML, or an entry of a mapping has no `=`.
    """
    if text == _NULL:
        return None
    bare = bare_type(kind)
    members = [bare_type(member) for member in get_args(bare)] if get_origin(bare) not in {dict, tuple} else [bare]
    origins = {get_origin(member) for member in members}
    if not origins & {dict, tuple}:
        is_mapping = is_struct(bare)
        return read_yaml(text, name) if is_mapping else text
    if text.lstrip().startswith(("[", "{", "- ")):
        return read_yaml(text, name)
    return [item.strip() for item in text.split(",")] if tuple in origins else _mapping(text, name)


def _has(document: Any, path: KeyPath) -> bool:
    for part in path:
        if not isinstance(document, Mapping) or part not in document:
            return False
        document = document[part]
    return True


def _mapping(text: str, name: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    problems: list[Problem] = []
    # Several lines may be a file in the wrong place: one mistake, whose parts may hold secrets.
    is_file = len(text.splitlines()) > 1
    for item in map(str.strip, text.split(",")):
        if len(problems) >= (1 if is_file else MOST):
            break
        key, separator, value = item.partition("=")
        if not separator or not key:
            got = shown(text if is_file else item)
            problems.append(Problem(f"{name}: expected key=value,key=value or a YAML mapping, got {got}"))
        elif key in entries:
            problems.append(Problem(f"{name}: the key {shown(key)} is given twice; give it once"))
        entries[key] = value
    if problems:
        raise ConfigError(problems)
    return entries


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    # The common prefix would make all variables resemble each other.
    like = nearest(name.removeprefix(PREFIX), (each.removeprefix(PREFIX) for each in known))
    return f"; did you mean {PREFIX}{like}?" if like else f"; {_ALL_SETTINGS}"
