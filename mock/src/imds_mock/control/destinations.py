"""The destinations of secrets, and the check that a change sends no masked secret to a new one.

Clients of the control plane see masks in place of secrets. If a mask could stand for a secret while the request changes
its destination, a client could send the secret to a place of its choice and read it there.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.config.errors import dotted
from imds_mock.config.variants import effective, flatten
from imds_mock.control.credential_masks import texts
from imds_mock.metadata.regions import partition_of, region_of
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from imds_mock.config.errors import KeyPath
    from imds_mock.config.settings import Config

Setting = tuple[str, str]
"""Section and key."""

_SECTION: Final = "credentials"
_KEYS: Final = ("secret_access_key", "session_token", "external_id")
_SOURCE: Final = (_SECTION, "source")
_STS: Final = (_SOURCE, (_SECTION, "endpoint_url"), ("instance", "region"), ("instance", "availability_zone"))
# The account that a role belongs to sees the external id in its logs.
_ACCOUNT: Final = (("instance", "account_id"), (_SECTION, "role_arn"), ("ecs", "any_role"))
_SERVED: Final = ("served",)
_MAX_COMBINATIONS: Final = 2048
"""Combinations of variants that are compared one by one; with more, any change of a deciding setting is refused."""


class Destination(NamedTuple):
    """A destination of a secret.

    Attributes:
        what: The data plane, or the STS endpoint to which it is sent.
        matches: The conditions of variants that must match the caller.
        excludes: The conditions of variants that must not match the caller.
    """

    what: tuple[Any, ...]
    matches: frozenset[Any] = frozenset()
    excludes: frozenset[Any] = frozenset()


def require_secrets(current: Config, changed: Config, masked: AbstractSet[str]) -> None:
    """Check that masked secrets have no new destination.

    Args:
        current: The configuration in force.
        changed: The next configuration.
        masked: Its secrets that the request had masked.

    Raises:
        FieldError: A secret has, or may have, a new destination; names its setting.
    """
    if not masked:
        return
    before: dict[str, set[Destination]] = {}
    for secret, destination, _ in _destinations(current):
        before.setdefault(secret, set()).add(destination)
    for secret, destination, path in _destinations(changed):
        if secret in masked and not _is_known(destination, before.get(secret, ())):
            raise FieldError(
                dotted(path),
                "this change sends the secret to a new destination, so the mask is not enough; send the secret itself",
            )


def _is_known(destination: Destination, before: AbstractSet[Destination] | tuple[()]) -> bool:
    """Whether a destination is one of those before, or part of one."""
    return destination in before or any(
        known.what == destination.what
        and known.matches <= destination.matches
        and known.excludes <= destination.excludes
        for known in before
    )


def _destinations(config: Config) -> Iterator[tuple[str, Destination, KeyPath]]:
    """List every secret, its destination and its key path."""
    values = _SettingValues(config)
    for key in _KEYS:
        for found in (values.served(key) if key != "external_id" else (), values.sent_to_sts(key)):
            for secret, destination, origin in found:
                yield secret, destination, (*(() if origin is None else ("variants", origin)), _SECTION, key)
    for holder, path, destination in _served_as_given(config):
        for secret in texts(holder):
            yield secret, destination, path


class _SettingValues:
    """The values of settings in the configuration and in each variant; the last matching variant wins."""

    def __init__(self, config: Config) -> None:
        self._matches = [variant.match for variant in config.variants]
        settings = ((_SECTION, key) for key in _KEYS)
        self._values: dict[Setting, dict[int | None, Any]] = {
            setting: {None: _value(config, setting)} for setting in (*settings, *_STS, *_ACCOUNT)
        }
        for place, variant in enumerate(config.variants):
            own = [setting for setting in self._values if setting[1] in getattr(variant, setting[0])]
            whole = effective(config, (place,)) if own else config
            for setting in own:
                self._values[setting][place] = _value(whole, setting)

    def served(self, key: str) -> Iterator[tuple[str, Destination, int | None]]:
        """List the secrets of a key that the data plane serves: secret, destination, index of its variant."""
        setting = (_SECTION, key)
        deciding = (setting, _SOURCE)
        if self._exceed_limit(deciding):
            yield from self._with_everything(setting, deciding)
            return
        for origins in self._combinations(deciding):
            secret = self._values[setting][origins[setting]]
            if secret is not None and self._values[_SOURCE][origins[_SOURCE]] == "static":
                chosen = _variants_of(origins.values())
                excludes = {
                    self._matches[place]
                    for each, origin in origins.items()
                    for place, value in self._values[each].items()
                    if place is not None and place not in chosen and place > (-1 if origin is None else origin)
                    if value != self._values[each][origin]
                }
                yield secret, Destination(_SERVED, self._matches_of(chosen), frozenset(excludes)), origins[setting]

    def sent_to_sts(self, key: str) -> Iterator[tuple[str, Destination, int | None]]:
        """List the secrets of a key that are sent to STS: secret, destination, index of its variant."""
        setting = (_SECTION, key)
        if "assume-role" not in self._values[_SOURCE].values():
            return
        deciding = (setting, *_STS, *(_ACCOUNT if key == "external_id" else ()))
        if self._exceed_limit(deciding):
            yield from self._with_everything(setting, deciding)
            return
        for origins in self._combinations(deciding):
            values = {each[1]: self._values[each][origin] for each, origin in origins.items()}
            if values[key] is not None and values["source"] == "assume-role":
                chosen = _variants_of(origins.values())
                # For no variant and for each single variant, STS is called at once, without a caller.
                matches = self._matches_of(chosen) if len(chosen) > 1 else frozenset[Any]()
                yield values[key], Destination(_sts_destination(values), matches), origins[setting]

    def _combinations(self, deciding: tuple[Setting, ...]) -> Iterator[dict[Setting, int | None]]:
        """List every combination of variants that can apply to a caller, as the variant that gives each setting."""
        for origins in product(*(self._values[setting] for setting in deciding)):
            chosen = _variants_of(origins)
            if all(
                origin == max((place for place in chosen if place in self._values[setting]), default=None)
                for setting, origin in zip(deciding, origins, strict=True)
            ):
                yield dict(zip(deciding, origins, strict=True))

    def _exceed_limit(self, deciding: tuple[Setting, ...]) -> bool:
        return math.prod(len(self._values[setting]) for setting in deciding) > _MAX_COMBINATIONS

    def _with_everything(
        self, setting: Setting, deciding: tuple[Setting, ...]
    ) -> Iterator[tuple[str, Destination, int | None]]:
        """List all secrets with one destination that differs whenever a deciding setting differs."""
        own = {
            place: tuple((each, self._values[each][place]) for each in deciding if place in self._values[each])
            for place in (None, *range(len(self._matches)))
        }
        everything = tuple(
            (None if place is None else self._matches[place], each) for place, each in own.items() if each
        )
        for origin, secret in self._values[setting].items():
            if secret is not None:
                yield secret, Destination(("any", *everything)), origin

    def _matches_of(self, chosen: Iterable[int]) -> frozenset[Any]:
        return frozenset(self._matches[place] for place in chosen)


def _value(config: Config, setting: Setting) -> Any:
    return getattr(getattr(config, setting[0]), setting[1])


def _variants_of(origins: Iterable[int | None]) -> set[int]:
    return {origin for origin in origins if origin is not None}


def _sts_destination(values: Mapping[str, Any]) -> tuple[Any, ...]:
    zone, role_arn = values["availability_zone"], values.get("role_arn")
    region = values["region"] or (zone and region_of(zone)) or ""
    sent_to_sts = ("STS", values["endpoint_url"], partition_of(region).name)
    if "account_id" not in values:
        return sent_to_sts
    return (*sent_to_sts, values["account_id"] if role_arn is None else role_arn.split(":")[4], values["any_role"])


def _served_as_given(config: Config) -> Iterator[tuple[Any, KeyPath, Destination]]:
    """List the settings that are served as they are: metadata by path, documents, and those of `aemm`."""
    own = [frozenset((variant.match, path) for path, _ in flatten(variant.metadata)) for variant in config.variants]
    no_conditions: frozenset[Any] = frozenset()
    yield config.metadata, ("metadata",), Destination(_SERVED, no_conditions, no_conditions.union(*own))
    yield config.ecs.documents, ("ecs", "documents"), Destination(_SERVED)
    for place, variant in enumerate(config.variants):
        matches = frozenset([variant.match])
        yield (
            variant.metadata,
            ("variants", place, "metadata"),
            Destination(_SERVED, matches, no_conditions.union(*own[place + 1 :])),
        )
        yield variant.ecs.get("documents"), ("variants", place, "ecs", "documents"), Destination(_SERVED, matches)
    if config.compatibility == "aemm":
        yield config.aemm, ("aemm",), Destination(("aemm",))
