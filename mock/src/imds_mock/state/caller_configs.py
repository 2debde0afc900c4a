"""What each caller is under one configuration: with the variants that match him, and as an instance of his own.

Callers with the same variants share what follows from them; where every container is an instance, all addresses of one
share it. Each is made when its caller first asks, and kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from imds_mock.callers.own_facts import with_own_facts
from imds_mock.callers.variant_matching import matching_variants, needs_names, variant_services
from imds_mock.config.errors import ConfigError, SettingError
from imds_mock.config.variants import effective
from imds_mock.state.snapshots import SnapshotCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imds_mock.build.built_config import Build, BuiltConfig
    from imds_mock.callers.caller import Caller
    from imds_mock.config.settings import Config
    from imds_mock.events.armed import ArmedEvent

_MAX_KNOWN: Final = 4096
_LOOKS_OF_ALL: Final = 64
# Events come and go, and each look of each of many containers takes some 40 KiB.
_LOOKS_OF_ONE: Final = 2


class CallerConfig:
    """What one kind of callers is.

    Attributes:
        config: Their configuration.
        variants: The places of the variants that match them.
        cache: Their snapshots under events.
    """

    __slots__ = ("cache", "config", "variants")

    def __init__(self, config: Config, variants: tuple[int, ...], built: BuiltConfig, cache: int) -> None:
        self.config = config
        self.variants = variants
        self.cache = SnapshotCache(built.leaves, built.build_snapshot, cache)


class CallerConfigs:
    """What all callers are under one configuration.

    Args:
        config: The configuration.
        build: Builds a configuration.
        caller_of: Says who is behind an address.
        report: Is given what had to be left out of somebody's configuration, and why.
        in_steps: `prepare` is going to be called.

    Raises:
        ConfigError: The configuration contradicts itself.
    """

    def __init__(
        self,
        config: Config,
        build: Build,
        caller_of: Callable[[str], Caller],
        report: Callable[[str], None],
        *,
        in_steps: bool = False,
    ) -> None:
        self._config = config
        self._build = build
        self._caller_of = caller_of
        self._report = report
        self._laid: dict[tuple[tuple[int, ...], tuple[int, ...]], Config] = {((), ()): config}
        self.common = CallerConfig(config, (), build(config), _LOOKS_OF_ALL)
        tells_apart = config.compatibility != "aemm"
        self._alone: list[CallerConfig] = []
        self._known: dict[tuple[tuple[int, ...], Caller | None], CallerConfig] = {}
        # Under which key a caller's is kept, by address.
        self._keys: dict[str, tuple[tuple[int, ...], Caller | None]] = {}
        self.differ = tells_apart and (config.identity == "per-container" or bool(config.variants))
        """Whether callers differ at all."""
        self.need_names = tells_apart and needs_names(config)
        """Whether it matters by which name a caller goes."""
        self.services = variant_services(config)
        """The services that it matters to know of."""
        if not in_steps:
            for _ in self.prepare():
                pass

    def prepare(self) -> Iterator[None]:
        """Make what each variant shows alone, one in each step: what their credentials need takes time to get."""
        for place in range(len(self._alone), len(self._config.variants)):
            alone = self._known[(place,), None] = self._make((place,), None)
            self._alone.append(alone)
            yield

    def of(self, address: str) -> CallerConfig:
        """What the caller with an address is; for what is no address, what has no variant and is no container."""
        if not self.differ:
            return self.common
        caller = self._caller_of(address)
        if not caller.addresses:
            return self.common
        variants = matching_variants(self._config, caller)
        key = (variants, caller if self._config.identity == "per-container" else None)
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
        """Keep no longer what was at these addresses: others are behind them, or have another look.

        Args:
            addresses: All those of whoever was there.
        """
        for address in addresses:
            key = self._keys.pop(address, None)
            if key is not None:
                self._known.pop(key, None)

    def cache_of(self, address: str) -> SnapshotCache:
        """How the caller with an address looks under events."""
        return self.of(address).cache

    def check(self, events: tuple[ArmedEvent, ...]) -> None:
        """Check that events can be laid over what each variant sets by path.

        Raises:
            ConflictingPathsError: One cannot.
        """
        for alone, variant in zip(self._alone, self._config.variants, strict=True):
            if variant.metadata:
                alone.cache.under(events)

    def _make(self, variants: tuple[int, ...], caller: Caller | None) -> CallerConfig:
        for chosen, left_out, own in _ever_less(variants, caller):
            try:
                config = self._with(chosen, left_out, own)
                return CallerConfig(
                    config, chosen, self._build(config), _LOOKS_OF_ALL if own is None else _LOOKS_OF_ONE
                )
            except (ConfigError, SettingError) as error:
                self._report(
                    f"a part of {_said(chosen + left_out, own)} does not go with the rest and is left out: {error}"
                )
        return self.common

    def _with(self, variants: tuple[int, ...], credentials_of: tuple[int, ...], caller: Caller | None) -> Config:
        key = (variants, credentials_of)
        if key not in self._laid:
            self._laid[key] = effective(self._config, *key)
        config = self._laid[key]
        if caller is None:
            return config
        by_variant = frozenset(fact for place in variants for fact in self._config.variants[place].instance)
        return replace(config, instance=with_own_facts(config.instance, caller, by_variant))


def _ever_less(
    variants: tuple[int, ...], caller: Caller | None
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], Caller | None]]:
    """The variants and facts that are tried: all first, then without the last variant, and so on.

    Any two variants go together, which was checked when the configuration was taken over; more may not. Of those that
    are left out the credentials stay: without them the callers would be served somebody else's.
    """
    yield variants, (), caller
    for length in range(len(variants) - 1, -1, -1):
        yield variants[:length], variants[length:], caller
        yield variants[:length], (), caller


def _said(variants: tuple[int, ...], caller: Caller | None) -> str:
    what = [f"variants[{place}]" for place in variants]
    if caller is not None:
        what.append(f"the own facts of {caller.container or caller.key}")
    return ", ".join(what)
