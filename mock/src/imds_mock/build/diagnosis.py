"""Finds all problems of an invalid configuration: schema violations, and settings that contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.build.checks import CHECKS, check
from imds_mock.config.errors import READING, SettingError, Violation, unknown_section
from imds_mock.config.settings import Config
from imds_mock.config.variants import MAX_VARIANTS, OF_TEXT, SECTIONS
from imds_mock.config.variants import check as check_variants
from imds_mock.metadata.instance import contradictions
from imds_mock.metadata.override_parsing import find_override_errors
from imds_mock.violations.finding import MOST, find
from imds_mock.violations.words import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.config.errors import KeyPath

_INSTANCE: Final = "instance"
_VARIANTS: Final = "variants"


def violations(document: Mapping[str, Any]) -> list[Violation]:
    """Find the schema violations of a document, in its sections and in those of its variants.

    Args:
        document: Nested mappings and lists of plain values.

    Returns:
        At most `MOST` violations.
    """
    found = []
    for each in find(Config, document, READING):
        name = str(each.path[0]) if len(each.path) == 1 else ""
        elsewhere = unknown_section(Config, name) if name and name not in Config.__struct_fields__ else None
        found.append(Violation(each.path, elsewhere or each.sentence))
    variants = document.get(_VARIANTS)
    # More variants are refused because of their number.
    for place, variant in enumerate(variants[:MAX_VARIANTS] if isinstance(variants, list | tuple) else ()):
        if len(found) >= MOST:
            break
        if isinstance(variant, dict):
            found += _in_variant(variant, (_VARIANTS, place))
    return found[:MOST]


def contradictions_in(document: Mapping[str, Any], wrong: list[Violation]) -> list[Violation]:
    """Find contradictions in the sections of a document that fit the schema.

    Args:
        document: Nested mappings and lists of plain values.
        wrong: The schema violations.
    """
    sections = {each.path[0] for each in wrong if each.path}
    fitting = {name: held for name, held in document.items() if name not in sections}
    unread = {str(each.path[1]) for each in wrong if each.path[:1] == (_INSTANCE,) and len(each.path) > 1}
    facts = document.get(_INSTANCE)
    if isinstance(facts, Mapping):
        fitting[_INSTANCE] = {name: held for name, held in facts.items() if name not in unread}
    if sections & {*SECTIONS, "metadata"}:
        fitting.pop(_VARIANTS, None)
    try:
        config = msgspec.convert(fitting, Config, strict=False)
    except (msgspec.ValidationError, RecursionError, ValueError):
        return []
    found = {error.path: error for error in _contradictions(config) if error.path and error.path[0] not in sections}
    found |= {error.path: error for error in contradictions(config.instance, unread)}
    return [Violation(path, error.sentence) for path, error in found.items()]


def _contradictions(config: Config) -> Iterator[SettingError]:
    own = list(_own_contradictions(config))
    yield from own
    if own:
        return  # every variant would repeat them
    try:
        check_variants(config, check)
    except SettingError as error:
        yield error


def _own_contradictions(config: Config) -> Iterator[SettingError]:
    for require in CHECKS:
        try:
            require(config)
        except SettingError as error:
            yield error
    yield from islice(find_override_errors(config.metadata), MOST)


def _in_variant(variant: Mapping[str, Any], path: KeyPath) -> Iterator[Violation]:
    for section in fields_of(Config):
        held = variant.get(section.name)
        if section.name not in SECTIONS or not isinstance(held, dict):
            continue
        # In a mapping to text, null removes a key.
        plain = {
            name: {key: below for key, below in value.items() if below is not None}
            if name in OF_TEXT and isinstance(value, dict)
            else value
            for name, value in held.items()
        }
        yield from find(section.type, plain, READING, (*path, section.name))
