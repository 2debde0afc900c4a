"""What a container announces about itself in `MOCK_INSTANCE`: facts of the section `instance`, and which are allowed.

`key=value,key=value`, or a JSON object. A key may have dots (`user_data.base64`); below a mapping such as `tags`, the
rest of the key is one name. A value with a comma is written in quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import msgspec
from msgspec.structs import replace

from imds_mock.config.document_limits import MAX_DEPTH, TOO_DEEP
from imds_mock.config.errors import READING, ConfigError, Problem, SettingError, Violation, dotted, problem_of
from imds_mock.config.facts import InstanceSettings
from imds_mock.config.marks import PRIVILEGED, held_at, marked_settings
from imds_mock.config.plain_documents import read_json
from imds_mock.config.sources import merge, read_text
from imds_mock.config.variants import OF_TEXT
from imds_mock.violations.finding import ViolationsError, convert
from imds_mock.violations.words import bare_type, fields_of, is_struct, options, several, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.config.errors import KeyPath
    from imds_mock.config.settings import Config

VARIABLE: Final = "MOCK_INSTANCE"
"""What messages call the announced facts: the application's container sets them in this variable."""

NAME_VARIABLE: Final = "MOCK_INSTANCE_NAME"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")
_NUMERIC: Final = re.compile(r"[0-9.]+")
_MAX_ITEMS: Final = 16
_MAX_ENTRIES: Final = 64
_MAX_PROBLEMS: Final = 10
_QUOTES: Final = "\"'"
# Role and account decide which role is assumed; region and zone, at which STS, and in which partition.
_DECIDING: Final = ("role", "account_id", "region", "availability_zone")
_PRIVILEGED: Final = tuple(marked_settings(InstanceSettings, PRIVILEGED))


def parse_facts(text: str) -> dict[str, Any]:
    """Parse announced facts into a part of the section `instance`.

    Args:
        text: Such as `role=worker,tags.Name=worker`, or a JSON object.

    Raises:
        ConfigError: It is neither, gives a key twice, or exceeds a limit.
    """
    facts: dict[str, Any] = read_json(text, VARIABLE) if text.lstrip().startswith("{") else _read_words(text)
    _require_bounds(facts, ())
    return facts


def _require_bounds(value: Any, path: KeyPath) -> None:
    """Check the sizes of lists and mappings: a long list of interfaces takes long to check and to serve."""
    if isinstance(value, list) and len(value) > _MAX_ITEMS:
        raise ConfigError(f"{VARIABLE}: {dotted(path)}: expected at most {_MAX_ITEMS} items, got {len(value)}")
    if isinstance(value, dict) and len(value) > _MAX_ENTRIES:
        where = dotted(path) or "the object"
        raise ConfigError(f"{VARIABLE}: {where}: expected at most {_MAX_ENTRIES} keys, got {len(value)}")
    held = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in held:
        _require_bounds(each, (*path, key))


def _read_words(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for key, value, is_quoted in _items(text):
        path, kind = _path_and_type(key)
        if len(path) > MAX_DEPTH:
            raise ConfigError(f"{VARIABLE}: {TOO_DEEP}")
        held: Any = facts
        for part in path[:-1]:
            held = held.setdefault(part, {}) if isinstance(held, dict) else None
        if not isinstance(held, dict) or path[-1] in held:
            raise ConfigError(f"{VARIABLE}: the key {shown(key)} is given twice; give it once")
        held[path[-1]] = value if is_quoted and value == "null" else read_text(value, kind, f"{VARIABLE}: {key}")
    return facts


def require_name(name: str) -> None:
    """Check an announced name, which is a target of events and faults.

    Raises:
        ConfigError: It is not a name.
    """
    if not _NAME.fullmatch(name) or _NUMERIC.fullmatch(name):
        raise ConfigError(
            f"{NAME_VARIABLE}: expected letters, digits, '.', '_' and '-', such as worker-1, got {shown(name)}"
        )


def with_facts(config: Config, facts: Mapping[str, Any], whole: Config) -> Config:
    """Apply announced facts to the configuration of one caller.

    Args:
        config: The configuration, with the variants that match the caller.
        facts: The announced facts.
        whole: The whole configuration, which decides what may be announced.

    Raises:
        ConfigError: A fact is unknown, invalid or not allowed; the message has each problem.
    """
    _require_allowed(facts, whole)
    document = merge(msgspec.to_builtins(config.instance), facts)
    for name in OF_TEXT:
        held = document.get(name)
        if isinstance(held, Mapping):
            document[name] = {key: value for key, value in held.items() if value is not None}
    try:
        return replace(config, instance=convert(InstanceSettings, document, READING))
    except ViolationsError as error:
        found = [_problem(each) for each in error.violations[:_MAX_PROBLEMS]]
        raise ConfigError(found or f"{VARIABLE}: these facts cannot be read") from error


def policy(config: Config) -> str:
    """Which announcements count: `any`, `named` or `off`. If not configured, `named` where credentials work."""
    return config.callers.announced or ("named" if _has_working_credentials(config) else "any")


def as_problem(error: SettingError) -> ConfigError:
    """Describe a contradiction that announced facts cause, in the words of `MOCK_INSTANCE`."""
    path = error.path[1:] if error.path[:1] == ("instance",) else error.path
    return ConfigError([problem_of(Violation(path, error.sentence), VARIABLE)])


def _has_working_credentials(config: Config) -> bool:
    sources = (variant.credentials.get("source", "generated") for variant in config.variants)
    return {config.credentials.source, *sources} != {"generated"}


def _require_allowed(facts: Mapping[str, Any], whole: Config) -> None:
    for setting in _PRIVILEGED:
        for held in held_at(facts, setting.path):
            reason = setting.extra[PRIVILEGED]
            raise ConfigError(f"{VARIABLE}: {dotted(held.path)}: cannot be announced, because {reason}")
    if policy(whole) != "named":
        return
    for fact in _DECIDING:
        known = [getattr(whole.instance, fact), *(_named_by_variants(whole, fact))]
        if fact in facts and facts[fact] is not None and facts[fact] not in known:
            named = several(dict.fromkeys(map(str, filter(None, known)))) or "nothing"
            raise ConfigError(
                f"{VARIABLE}: {fact}: expected a value from the mock's configuration ({named}), because its "
                f"credentials may work; got {shown(facts[fact])}. The mock's owner adds it to a variant, or sets "
                "callers.announced to any"
            )


def _named_by_variants(whole: Config, fact: str) -> Iterator[Any]:
    return (variant.instance[fact] for variant in whole.variants if fact in variant.instance)


def _problem(violation: Violation) -> Problem:
    if violation.is_key and len(violation.path) == 1 and "did you mean" not in violation.sentence:
        names = ", ".join(known.name for known in fields_of(InstanceSettings))
        violation = violation._replace(sentence=f"unknown key; the known ones are {names}")
    return problem_of(violation, VARIABLE)


def _items(text: str) -> Iterator[tuple[str, str, bool]]:
    """Split `key=value,key="a, b"` into key, value and whether the value was in quotation marks."""
    rest = text.strip()
    while rest:
        key, separator, rest = rest.partition("=")
        key = key.strip()
        if not separator or not key or "," in key:
            raise ConfigError(
                f"{VARIABLE}: expected key=value,key=value or a JSON object, got {shown(key.split(',')[0])}; write a "
                "value with a comma in quotation marks"
            )
        quote = rest[:1]
        is_quoted = bool(quote) and quote in _QUOTES
        if is_quoted:
            value, closing, rest = rest[1:].partition(quote)
            rest = rest.lstrip()
            if not closing or (rest and not rest.startswith(",")):
                raise ConfigError(
                    f"{VARIABLE}: {key}: expected a closing quotation mark {quote} and then a comma or the end"
                )
            rest = rest[1:].lstrip()
        else:
            value, _, rest = rest.partition(",")
            value = value.strip()
        yield key, value, is_quoted


def _path_and_type(key: str) -> tuple[tuple[str, ...], Any]:
    """The key path of a dotted key, and the type of its value; text for an unknown key."""
    kind: Any = InstanceSettings
    parts = key.split(".")
    for depth, part in enumerate(parts):
        members = [bare_type(member) for member in options(kind)]
        mapping = next((member for member in members if get_origin(member) is dict), None)
        if mapping is not None:
            return (*parts[:depth], ".".join(parts[depth:])), get_args(mapping)[1]
        structs = [member for member in members if is_struct(member)]
        kind = next((known.type for struct in structs for known in fields_of(struct) if known.name == part), str)
    return tuple(parts), kind
