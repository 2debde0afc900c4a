"""Where the secrets of a configuration go, and the check that none goes to another place unless it was sent anew.

A caller of the control plane sees a mask in a secret's place. If the mask could stand for the secret while the call
changes where the secret goes, the caller could have it sent to a place of its own choice and read it there.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.config.errors import dotted
from imds_mock.config.variants import effective, flat
from imds_mock.control.hidden_leaves import texts
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
_MAX_WAYS: Final = 2048
"""Ways in which settings come together that are compared one by one; beyond them, nothing that decides may change."""


class Place(NamedTuple):
    """A place that a secret goes to.

    Attributes:
        what: The data plane, or who is asked for credentials with it.
        whom: For callers that all of these match.
        unless: For callers that none of these match.
    """

    what: tuple[Any, ...]
    whom: frozenset[Any] = frozenset()
    unless: frozenset[Any] = frozenset()


def require_anew(current: Config, changed: Config, masked: AbstractSet[str]) -> None:
    """Check that secrets which a call left masked go nowhere else afterwards.

    Args:
        current: The configuration in force.
        changed: The configuration that is to follow.
        masked: The secrets in it for which the call had the mask.

    Raises:
        FieldError: One does, or may; names its setting.
    """
    if not masked:
        return
    before: dict[str, set[Place]] = {}
    for secret, place, _ in _destinations(current):
        before.setdefault(secret, set()).add(place)
    for secret, place, path in _destinations(changed):
        if secret in masked and not _is_known(place, before.get(secret, ())):
            raise FieldError(
                dotted(path),
                "this change has the secret go to another place, so the mask is not enough; send the secret",
            )


def _is_known(place: Place, before: AbstractSet[Place] | tuple[()]) -> bool:
    """Whether whoever a secret goes to now is among those whom it went to before."""
    return place in before or any(
        known.what == place.what and known.whom <= place.whom and known.unless <= place.unless for known in before
    )


def _destinations(config: Config) -> Iterator[tuple[str, Place, KeyPath]]:
    """Each secret, where it goes, and the key path that it is set at."""
    given = _Given(config)
    for key in _KEYS:
        for places in (given.served(key) if key != "external_id" else (), given.asked(key)):
            for secret, place, giver in places:
                yield secret, place, (*(() if giver is None else ("variants", giver)), _SECTION, key)
    for holder, path, place in _by_path(config):
        for secret in texts(holder):
            yield secret, place, path


class _Given:
    """What the configuration and each of its variants give; of the variants that match a caller the last one wins.

    Args:
        config: The configuration.
    """

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

    def served(self, key: str) -> Iterator[tuple[str, Place, int | None]]:
        """The secrets of a key that the data plane serves, to whom, and the variant that gives each."""
        setting = (_SECTION, key)
        deciding = (setting, _SOURCE)
        if self._are_many(deciding):
            yield from self._as_it_is(setting, deciding)
            return
        for givers in self._ways(deciding):
            secret = self._values[setting][givers[setting]]
            if secret is not None and self._values[_SOURCE][givers[_SOURCE]] == "static":
                chosen = _places(givers.values())
                unless = {
                    self._matches[place]
                    for each, giver in givers.items()
                    for place, value in self._values[each].items()
                    if place is not None and place not in chosen and place > (-1 if giver is None else giver)
                    if value != self._values[each][giver]
                }
                yield secret, Place(_SERVED, self._whom(chosen), frozenset(unless)), givers[setting]

    def asked(self, key: str) -> Iterator[tuple[str, Place, int | None]]:
        """The secrets of a key that credentials are asked for with, of whom, and the variant that gives each."""
        setting = (_SECTION, key)
        if "assume-role" not in self._values[_SOURCE].values():
            return
        deciding = (setting, *_STS, *(_ACCOUNT if key == "external_id" else ()))
        if self._are_many(deciding):
            yield from self._as_it_is(setting, deciding)
            return
        for givers in self._ways(deciding):
            values = {each[1]: self._values[each][giver] for each, giver in givers.items()}
            if values[key] is not None and values["source"] == "assume-role":
                chosen = _places(givers.values())
                # Those for nobody and for each variant alone are asked for at once, whoever calls.
                whom = self._whom(chosen) if len(chosen) > 1 else frozenset[Any]()
                yield values[key], Place(_asked_of(values), whom), givers[setting]

    def _ways(self, deciding: tuple[Setting, ...]) -> Iterator[dict[Setting, int | None]]:
        """Who gives each setting, in every way that a caller can meet."""
        for givers in product(*(self._values[setting] for setting in deciding)):
            chosen = _places(givers)
            if all(
                giver == max((place for place in chosen if place in self._values[setting]), default=None)
                for setting, giver in zip(deciding, givers, strict=True)
            ):
                yield dict(zip(deciding, givers, strict=True))

    def _are_many(self, deciding: tuple[Setting, ...]) -> bool:
        return math.prod(len(self._values[setting]) for setting in deciding) > _MAX_WAYS

    def _as_it_is(self, setting: Setting, deciding: tuple[Setting, ...]) -> Iterator[tuple[str, Place, int | None]]:
        """All secrets, at a place that is another one as soon as anything that decides changes."""
        own = {
            place: tuple((each, self._values[each][place]) for each in deciding if place in self._values[each])
            for place in (None, *range(len(self._matches)))
        }
        said = tuple((None if place is None else self._matches[place], each) for place, each in own.items() if each)
        for giver, secret in self._values[setting].items():
            if secret is not None:
                yield secret, Place(("any", *said)), giver

    def _whom(self, chosen: Iterable[int]) -> frozenset[Any]:
        return frozenset(self._matches[place] for place in chosen)


def _value(config: Config, setting: Setting) -> Any:
    return getattr(getattr(config, setting[0]), setting[1])


def _places(givers: Iterable[int | None]) -> set[int]:
    return {giver for giver in givers if giver is not None}


def _asked_of(values: Mapping[str, Any]) -> tuple[Any, ...]:
    zone, role_arn = values["availability_zone"], values.get("role_arn")
    region = values["region"] or (zone and region_of(zone)) or ""
    asked = ("STS", values["endpoint_url"], partition_of(region).name)
    if "account_id" not in values:
        return asked
    return (*asked, values["account_id"] if role_arn is None else role_arn.split(":")[4], values["any_role"])


def _by_path(config: Config) -> Iterator[tuple[Any, KeyPath, Place]]:
    """What is served as it was given: the metadata that is set by path, and amazon-ec2-metadata-mock's."""
    own = [frozenset((variant.match, path) for path, _ in flat(variant.metadata)) for variant in config.variants]
    nobody: frozenset[Any] = frozenset()
    yield config.metadata, ("metadata",), Place(_SERVED, nobody, nobody.union(*own))
    yield config.ecs.documents, ("ecs", "documents"), Place(_SERVED)
    for place, variant in enumerate(config.variants):
        whom = frozenset([variant.match])
        yield variant.metadata, ("variants", place, "metadata"), Place(_SERVED, whom, nobody.union(*own[place + 1 :]))
        yield variant.ecs.get("documents"), ("variants", place, "ecs", "documents"), Place(_SERVED, whom)
    if config.compatibility == "aemm":
        yield config.aemm, ("aemm",), Place(("aemm",))
