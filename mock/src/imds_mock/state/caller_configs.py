"""The configuration of each caller: with the variants that match it, and with its own facts if it is an instance.

Callers that match the same variants share a configuration. With `identity: per-container`, and if the container has
announced who it is, only the addresses of one container do. Each is built at its caller's first request, and kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from imds_mock.callers.own_facts import with_own_facts
from imds_mock.callers.variant_matching import matching_variants, needs_names, variant_services
from imds_mock.config.announced import policy, with_facts
from imds_mock.config.errors import ConfigError, SettingError
from imds_mock.config.variants import effective
from imds_mock.state.snapshots import SnapshotCache

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sized

    from imds_mock.build.built_config import Build, BuiltConfig
    from imds_mock.callers.caller import Caller
    from imds_mock.config.settings import Config
    from imds_mock.events.armed import ArmedEvent

_MAX_KNOWN: Final = 4096
_SHARED_SNAPSHOTS: Final = 64
# Each snapshot of each of many containers takes about 40 KiB.
_OWN_SNAPSHOTS: Final = 2


class IdentifiedCallers(Protocol):
    """The callers, and whether containers have announced who they are."""

    @property
    def announcements(self) -> Sized:
        """What containers have announced."""

    def caller(self, address: str) -> Caller:
        """The caller at an address."""


class KnownCallers(IdentifiedCallers, Protocol):
    """What the state needs of the callers; see `callers.registry`."""

    on_change: Callable[[Collection[str] | None], None]

    def is_target(self, address: str, target: str) -> bool:
        """Whether an address matches a target."""

    def invalidate(self) -> None:
        """Look up each known caller again at its next request."""


class CallerConfig:
    """The configuration of the callers that match the same variants, or of one container.

    Attributes:
        config: The configuration, with the variants applied.
        variants: The indexes of these variants.
        cache: The snapshots of this configuration.
    """

    __slots__ = ("cache", "config", "variants")

    def __init__(self, config: Config, variants: tuple[int, ...], built: BuiltConfig, cache: int) -> None:
        self.config = config
        self.variants = variants
        self.cache = SnapshotCache(built.leaves, built.build_snapshot, cache)


class CallerConfigs:
    """The configurations of all callers under one configuration.

    Args:
        config: The configuration.
        build: Builds a configuration.
        callers: The known callers.
        report: Receives a sentence about a variant or fact that is left out.
        in_steps: The caller of this class runs `prepare`.

    Attributes:
        common: For callers that match no variant and are no instance of their own.
        services: The Compose services that variants match.

    Raises:
        ConfigError: The settings contradict each other.
    """

    def __init__(
        self,
        config: Config,
        build: Build,
        callers: IdentifiedCallers,
        report: Callable[[str], None],
        *,
        in_steps: bool = False,
    ) -> None:
        self._config = config
        self._build = build
        self._callers = callers
        self._report = report
        self._effective: dict[tuple[tuple[int, ...], tuple[int, ...]], Config] = {((), ()): config}
        self.common = CallerConfig(config, (), build(config), _SHARED_SNAPSHOTS)
        distinguishes = config.compatibility != "aemm"
        self._accepts_announced = distinguishes and policy(config) != "off"
        self._single_variants: list[CallerConfig] = []
        self._known: dict[tuple[tuple[int, ...], Caller | None], CallerConfig] = {}
        # address -> key in _known
        self._keys: dict[str, tuple[tuple[int, ...], Caller | None]] = {}
        self._differ = distinguishes and (config.identity == "per-container" or bool(config.variants))
        self._need_names = distinguishes and needs_names(config)
        self.services = variant_services(config)
        if not in_steps:
            for _ in self.prepare():
                pass

    @property
    def differ(self) -> bool:
        """Whether configurations of callers differ at all."""
        return self._differ or (self._accepts_announced and len(self._callers.announcements) > 0)

    @property
    def need_names(self) -> bool:
        """Whether they depend on who the caller is."""
        return self._need_names or (self._accepts_announced and len(self._callers.announcements) > 0)

    def prepare(self) -> Iterator[None]:
        """Build each variant alone, one in each step, because their credentials take time to fetch."""
        for place in range(len(self._single_variants), len(self._config.variants)):
            self._known[(place,), None] = single = self._make((place,), None)
            self._single_variants.append(single)
            yield

    def of(self, address: str) -> CallerConfig:
        """The configuration of the caller at an address; `common` if the text is not an address."""
        if not self.differ:
            return self.common
        caller = self._callers.caller(address)
        if not caller.addresses:
            return self.common
        if caller.announced is not None and not self._accepts_announced:
            caller = caller._replace(announced=None)
        variants = matching_variants(self._config, caller)
        is_own = self._config.identity == "per-container" or caller.announced is not None
        key = (variants, caller if is_own else None)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
                self._keys.clear()
            known = self._known[key] = self._make(*key)
        if key[1] is not None:
            self._keys[address] = key
        return known

    def forget(self, addresses: Iterable[str]) -> None:
        """Drop the configurations of changed callers.

        Args:
            addresses: All addresses of these callers.
        """
        for address in addresses:
            key = self._keys.pop(address, None)
            if key is not None:
                self._known.pop(key, None)

    def cache_of(self, address: str) -> SnapshotCache:
        """The snapshots of the caller at an address."""
        return self.of(address).cache

    def end_kept(self) -> None:
        """Let no response be sent again."""
        for known in (self.common, *self._single_variants, *self._known.values()):
            known.cache.end_kept()

    def check(self, events: tuple[ArmedEvent, ...]) -> None:
        """Check that events do not conflict with the paths that a variant sets.

        Raises:
            ConflictingPathsError: An event conflicts.
        """
        for single, variant in zip(self._single_variants, self._config.variants, strict=True):
            if variant.metadata:
                single.cache.under(events)

    def _make(self, variants: tuple[int, ...], caller: Caller | None) -> CallerConfig:
        for chosen, left_out, own in _fewer_and_fewer(variants, caller):
            try:
                config = self._with(chosen, left_out, own)
                return CallerConfig(
                    config, chosen, self._build(config), _SHARED_SNAPSHOTS if own is None else _OWN_SNAPSHOTS
                )
            except (ConfigError, SettingError) as error:
                self._report(
                    f"a part of {_description(chosen + left_out, own)} conflicts with the rest and is left out: {error}"
                )
        return self.common

    def _with(self, variants: tuple[int, ...], credentials_of: tuple[int, ...], caller: Caller | None) -> Config:
        key = (variants, credentials_of)
        if key not in self._effective:
            self._effective[key] = effective(self._config, *key)
        config = self._effective[key]
        if caller is None:
            return config
        given = {fact for place in variants for fact in self._config.variants[place].instance}
        if caller.announced is not None:
            facts = caller.announced.instance
            config = with_facts(config, facts, self._config)
            given |= facts.keys()
        return replace(config, instance=with_own_facts(config.instance, caller, frozenset(given)))


def _fewer_and_fewer(
    variants: tuple[int, ...], caller: Caller | None
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], Caller | None]]:
    """The combinations to try: all variants first, then without what is announced and without the last variants.

    Loading checks each pair of variants, but three may conflict. The credentials of a variant that is left out still
    apply, because its callers must not get those of other callers.
    """
    yield variants, (), caller
    if caller is not None and caller.announced is not None:
        caller = caller._replace(announced=None)
        yield variants, (), caller
    for length in range(len(variants) - 1, -1, -1):
        yield variants[:length], variants[length:], caller
        yield variants[:length], (), caller


def _description(variants: tuple[int, ...], caller: Caller | None) -> str:
    what = [f"variants[{place}]" for place in variants]
    if caller is not None and caller.announced is not None:
        what.append(f"what {caller.container or caller.key} has announced")
    elif caller is not None:
        what.append(f"the own facts of {caller.container or caller.key}")
    return ", ".join(what)
