"""Variants: parts of sections that override the configuration for the callers that they match.

Sections of a variant mean the same as in a file, so null is a value (`role: null` is no role). Only in mappings whose
values cannot be null (tags, block devices), null removes a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from imds_mock.config.errors import READING, SettingError
from imds_mock.config.settings import Config
from imds_mock.config.sources import merge
from imds_mock.violations.finding import ViolationsError, convert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imds_mock.config.callers import Match, Variant
    from imds_mock.config.errors import KeyPath

SECTIONS: Final = ("instance", "metadata_options", "credentials", "ecs", "eks")
"""The sections of variants, besides `metadata`."""

OF_TEXT: Final = ("tags", "block_devices")
"""Settings of `instance` that are mappings to text, in which null removes a key."""


MAX_VARIANTS: Final = 256

MAX_PAIRS: Final = 500
"""Pairs of variants that are checked in advance; if another pair contradicts itself, its last variant is ignored."""


def effective(config: Config, chosen: Sequence[int], credentials_of: Sequence[int] = ()) -> Config:
    """Make the configuration of callers that certain variants match.

    Args:
        config: The configuration.
        chosen: The indexes of these variants, ascending; later ones win.
        credentials_of: The indexes of later variants of which only the credentials apply.

    Raises:
        SettingError: A value is invalid; names its key in the last of these variants that sets it.
    """
    if not chosen and not credentials_of:
        return config
    # Without variants, or the cost of each would grow with their number.
    document = msgspec.to_builtins(replace(config, variants=()))
    for place in chosen:
        _apply(document, config.variants[place])
    for place in credentials_of:
        document["credentials"] = merge(document["credentials"], config.variants[place].credentials)
    try:
        changed: Config = convert(Config, document, READING)
        return replace(changed, variants=config.variants)
    except ViolationsError as error:
        path, sentence, _ = error.violations[0] if error.violations else ((), "these values cannot be read", False)
        raise error_in_variant(SettingError(path, sentence), config, (*chosen, *credentials_of)) from error


def error_in_variant(error: SettingError, config: Config, chosen: Sequence[int]) -> SettingError:
    """Turn an error of an effective configuration into one that names the variant it comes from."""
    last = chosen[-1]
    for place in reversed(chosen):
        key = _key_in(config.variants[place], error.path)
        if key is not None:
            beside = f" (where variants[{other}] matches, too)" if (other := _other(chosen, place)) is not None else ""
            return SettingError(("variants", place, *key), error.sentence + beside)
    # No variant sets that key: the variant contradicts the configuration.
    return SettingError(("variants", last), f"with it, {error}")


def check(config: Config, check_one: Callable[[Config], None]) -> None:
    """Check the configuration with each variant, and with each pair that may match the same caller.

    Raises:
        SettingError: The first error; names the key of the variant.
    """
    if len(config.variants) > MAX_VARIANTS:
        raise SettingError(("variants",), f"expected at most {MAX_VARIANTS} variants, got {len(config.variants)}")
    for place, variant in enumerate(config.variants):
        _check_match(variant.match, ("variants", place, "match"))
    for chosen in _to_check(config.variants):
        whole = effective(config, chosen)
        try:
            check_one(whole)
        except SettingError as error:
            raise error_in_variant(error, config, chosen) from error


def require_one_instance(config: Config) -> None:
    """Check that a configuration with `compatibility: aemm` treats all callers alike.

    Raises:
        SettingError: It does; names the key.
    """
    if config.compatibility != "aemm":
        return
    for key, default in (("identity", "shared"), ("variants", ())):
        if getattr(config, key) != default:
            raise SettingError((key,), "compatibility aemm has one instance for all callers; remove this setting")


def _check_match(match: Match, path: KeyPath) -> None:
    if match == type(match)():
        raise SettingError(path, "expected a service, name, address or network")
    try:
        if match.address is not None:
            ip_address(match.address)
    except ValueError as error:
        sentence = f"expected an IP address such as 172.18.0.5, got {match.address!r}"
        raise SettingError((*path, "address"), sentence) from error
    try:
        if match.network is not None and "/" in match.network:
            ip_network(match.network)
    except ValueError as error:
        sentence = f"expected a network's name or a block such as 172.18.0.0/16, got {match.network!r}"
        raise SettingError((*path, "network"), sentence) from error


def _to_check(variants: Sequence[Variant]) -> Iterator[tuple[int, ...]]:
    yield from ((place,) for place in range(len(variants)))
    pairs = (
        pair for pair in combinations(range(len(variants)), 2) if _may_contradict(*(variants[place] for place in pair))
    )
    yield from islice(pairs, MAX_PAIRS)


def _may_contradict(one: Variant, other: Variant) -> bool:
    says_the_same = any(getattr(one, part) and getattr(other, part) for part in SECTIONS)
    return says_the_same and _may_match_same_caller(one.match, other.match)


def _may_match_same_caller(one: Match, other: Match) -> bool:
    """Whether both can match the same caller; names are patterns, so the answer is yes in doubt."""
    return all(
        None in {mine := getattr(one, condition), theirs := getattr(other, condition)} or mine == theirs
        for condition in ("service", "address")
    )


def _apply(document: dict[str, Any], variant: Variant) -> None:
    for section in SECTIONS:
        document[section] = merge(document[section], getattr(variant, section))
    for name in OF_TEXT:
        held = document["instance"].get(name)
        if isinstance(held, dict):
            document["instance"][name] = {key: value for key, value in held.items() if value is not None}
    own = dict(flatten(variant.metadata))
    # Paths apply in order, and those of the variant come last.
    document["metadata"] = {path: value for path, value in document["metadata"].items() if path not in own} | own


def flatten(metadata: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten the metadata of a variant into whole paths with their values."""
    for name, value in metadata.items():
        path = f"{above}/{name.strip('/')}" if above else name
        if isinstance(value, Mapping) and value and not any(str(key).startswith("$") for key in value):
            yield from flatten(value, path)
        else:
            yield path, value


def _key_in(variant: Variant, path: KeyPath) -> KeyPath | None:
    """The path as a key of the variant; None if the variant does not set it."""
    if not path or path[0] not in {*SECTIONS, "metadata"}:
        return None
    held: Any = getattr(variant, str(path[0]))
    if path[0] == "metadata":
        return path if held else None
    for depth, part in enumerate(path[1:], 1):
        if isinstance(held, Mapping) and part in held:
            held = held[part]
        else:
            return path if depth > 1 else None
    return path


def _other(chosen: Sequence[int], place: int) -> int | None:
    return next((each for each in chosen if each != place), None)
