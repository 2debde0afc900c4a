"""Where the secrets of a configuration go, and the check that none goes to another place unless it was sent anew.

A caller of the control plane sees a mask in a secret's place. If the mask could stand for the secret while the call
changes where the secret goes, the caller could have it sent to a place of its own choice and read it there.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.errors import SettingError, dotted
from imds_mock.config.profiles import effective
from imds_mock.control.hidden_leaves import texts
from imds_mock.metadata.regions import partition_of, region_of
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from imds_mock.config.callers import Match
    from imds_mock.config.errors import KeyPath
    from imds_mock.config.settings import Config

Place = tuple[Any, ...]
"""A place: whom the data plane serves the secret to, or who is asked for credentials with it."""

_SERVED: Final = "served"
_EVERYBODY: Final = None
_KEYS: Final = ("secret_access_key", "session_token", "external_id")
_SECTION: Final = "credentials"


def require_anew(current: Config, changed: Config, masked: AbstractSet[str]) -> None:
    """Check that secrets which a call left masked go nowhere else afterwards.

    Args:
        current: The configuration in force.
        changed: The configuration that is to follow.
        masked: The secrets in it for which the call had the mask.

    Raises:
        FieldError: One does; names its setting.
    """
    if not masked:
        return
    before: dict[str, list[Place]] = {}
    for secret, place, _ in _destinations(current):
        before.setdefault(secret, []).append(place)
    for secret, place, path in _destinations(changed):
        if secret in masked and not any(_covers(known, place) for known in before.get(secret, ())):
            raise FieldError(
                dotted(path),
                "this change has the secret go to another place, so the mask is not enough; send the secret",
            )


def _destinations(config: Config) -> Iterator[tuple[str, Place, KeyPath]]:
    """Each secret, where it goes, and the key path that it is set at."""
    for chosen in _chosen(config):
        try:
            whole = effective(config, chosen)
        except SettingError:
            # These profiles do not go together, so no caller has both.
            continue
        for key in _KEYS:
            secret = getattr(whole.credentials, key)
            place = None if secret is None else _place_of(key, config, whole, chosen)
            if place is not None:
                giver = _giver(config, chosen, key)
                yield secret, place, (*(() if giver is None else ("profiles", giver)), _SECTION, key)
    for holder, path, place in _by_path(config):
        for secret in texts(holder):
            yield secret, place, path


def _chosen(config: Config) -> Iterator[tuple[int, ...]]:
    """The profiles that are laid over the configuration together; one gives the secret and another its use."""
    places = [place for place, profile in enumerate(config.profiles) if profile.credentials]
    every = range(len(config.profiles))
    yield ()
    yield from ((place,) for place in every)
    yield from (pair for pair in combinations(every, 2) if not {*places}.isdisjoint(pair))


def _place_of(key: str, config: Config, whole: Config, chosen: Sequence[int]) -> Place | None:
    settings, instance = whole.credentials, whole.instance
    if settings.source == "static" and key != "external_id":
        giver, switch = _giver(config, chosen, key), _giver(config, chosen, "source")
        return (_SERVED, _for_whom(config, giver), _EVERYBODY if switch == giver else _for_whom(config, switch))
    if settings.source != "assume-role":
        return None
    region = instance.region or (instance.availability_zone and region_of(instance.availability_zone)) or ""
    asked = ("STS", settings.endpoint_url, partition_of(region).name)
    if key != "external_id":
        return asked
    # The account that a role belongs to sees the external id in its logs.
    account = instance.account_id if settings.role_arn is None else settings.role_arn.split(":")[4]
    return (*asked, account, whole.ecs.any_role)


def _giver(config: Config, chosen: Sequence[int], key: str) -> int | None:
    """The profile that a setting is from; None if it is none of the chosen ones."""
    return next((place for place in reversed(chosen) if key in config.profiles[place].credentials), None)


def _for_whom(config: Config, place: int | None) -> Match | None:
    return _EVERYBODY if place is None else config.profiles[place].match


def _by_path(config: Config) -> Iterator[tuple[Any, KeyPath, Place]]:
    """What is served as it was given: the metadata that is set by path, and amazon-ec2-metadata-mock's."""
    everybody = (_SERVED, _EVERYBODY, _EVERYBODY)
    yield config.metadata, ("metadata",), everybody
    yield config.ecs.documents, ("ecs", "documents"), everybody
    for place, profile in enumerate(config.profiles):
        whom = (_SERVED, profile.match, _EVERYBODY)
        yield profile.metadata, ("profiles", place, "metadata"), whom
        yield profile.ecs.get("documents"), ("profiles", place, "ecs", "documents"), whom
    if config.profile == "aemm":
        yield config.aemm, ("aemm",), ("aemm",)


def _covers(known: Place, place: Place) -> bool:
    """Whether whoever a secret goes to now is among those whom it went to before."""
    if known[0] == place[0] == _SERVED:
        return all(old in {_EVERYBODY, new} for old, new in zip(known[1:], place[1:], strict=True))
    return known == place
