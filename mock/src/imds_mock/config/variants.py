"""Variants laid over a configuration: what the callers that they match have of their own.

A variant's sections have the form and the meaning that they have in a file, so null is a value like others
(`role: null` is no role); only in a mapping whose values cannot be null (tags, block devices) it takes a key away.
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
"""What a variant can have parts of, besides `metadata`."""

OF_TEXT: Final = ("tags", "block_devices")
"""Facts that are mappings to text: null in one takes its key away."""


MAX_VARIANTS: Final = 256

MAX_PAIRS: Final = 500
"""Pairs of variants that are checked; one that is not and turns out to clash loses its last variant when it is met."""


def effective(config: Config, chosen: Sequence[int], credentials_of: Sequence[int] = ()) -> Config:
    """The configuration of callers whom certain variants match.

    Args:
        config: The configuration.
        chosen: The places of these variants, ascending; the later ones win.
        credentials_of: The places of later variants of which the callers have the credentials only.

    Raises:
        SettingError: A value is none; names its key in the last of these variants that says something about it.
    """
    if not chosen and not credentials_of:
        return config
    document = msgspec.to_builtins(replace(config, variants=()))  # or every variant would cost as much as all of them
    for place in chosen:
        _lay(document, config.variants[place])
    for place in credentials_of:
        document["credentials"] = merge(document["credentials"], config.variants[place].credentials)
    try:
        changed: Config = convert(Config, document, READING)
        return replace(changed, variants=config.variants)
    except ViolationsError as error:
        path, sentence, _ = error.violations[0] if error.violations else ((), "these values cannot be read", False)
        raise named(SettingError(path, sentence), config, (*chosen, *credentials_of)) from error


def named(error: SettingError, config: Config, chosen: Sequence[int]) -> SettingError:
    """An error in an effective configuration as one in the variant that it comes from.

    Args:
        error: The error; its path is one of the effective configuration.
        config: The configuration.
        chosen: The places of the variants that were laid over it.
    """
    last = chosen[-1]
    for place in reversed(chosen):
        key = _said(config.variants[place], error.path)
        if key is not None:
            beside = f" (where variants[{other}] matches, too)" if (other := _other(chosen, place)) is not None else ""
            return SettingError(("variants", place, *key), error.sentence + beside)
    # Nobody said that key: what the variant says does not go with what is there.
    return SettingError(("variants", last), f"with it, {error}")


def check(config: Config, check_one: Callable[[Config], None]) -> None:
    """Check what callers can come to have: with each variant, and with any two that may match the same caller.

    Args:
        config: The configuration.
        check_one: Checks an effective configuration; raises `SettingError`.

    Raises:
        SettingError: The first thing wrong; names the variant's key.
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
            raise named(error, config, chosen) from error


def require_one_instance(config: Config) -> None:
    """Check that a configuration with `compatibility: aemm` tells no callers apart.

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
    pairs = (pair for pair in combinations(range(len(variants)), 2) if _may_clash(*(variants[place] for place in pair)))
    yield from islice(pairs, MAX_PAIRS)


def _may_clash(one: Variant, other: Variant) -> bool:
    says_the_same = any(getattr(one, part) and getattr(other, part) for part in SECTIONS)
    return says_the_same and _may_meet(one.match, other.match)


def _may_meet(one: Match, other: Match) -> bool:
    """Whether a caller may be found that both match; names are patterns, so in doubt there is one."""
    return all(
        None in {mine := getattr(one, condition), theirs := getattr(other, condition)} or mine == theirs
        for condition in ("service", "address")
    )


def _lay(document: dict[str, Any], variant: Variant) -> None:
    for section in SECTIONS:
        document[section] = merge(document[section], getattr(variant, section))
    for name in OF_TEXT:
        held = document["instance"].get(name)
        if isinstance(held, dict):
            document["instance"][name] = {key: value for key, value in held.items() if value is not None}
    own = dict(flat(variant.metadata))
    # Paths apply in their order, and the variant's come last.
    document["metadata"] = {path: value for path, value in document["metadata"].items() if path not in own} | own


def flat(metadata: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """A variant's metadata as whole paths, each with its value.

    Args:
        metadata: The metadata; mappings in it stand for categories.
        above: The path that it is below.
    """
    for name, value in metadata.items():
        path = f"{above}/{name.strip('/')}" if above else name
        if isinstance(value, Mapping) and value and not any(str(key).startswith("$") for key in value):
            yield from flat(value, path)
        else:
            yield path, value


def _said(variant: Variant, path: KeyPath) -> KeyPath | None:
    """The path as the variant's key, if it says something about it."""
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
