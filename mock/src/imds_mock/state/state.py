"""The state of a mock: configuration, events and faults.

A change is prepared completely, then swapped in by assigning references. If the preparation fails, nothing changes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from imds_mock.events.armed import ArmedEvents
from imds_mock.state.caller_configs import CallerConfig, CallerConfigs, KnownCallers
from imds_mock.state.snapshots import ConflictingPathsError, Views, visible, without_target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from imds_mock.build.built_config import Builder
    from imds_mock.config.settings import Config
    from imds_mock.events.armed import ArmedEvent
    from imds_mock.events.scenario import Scenario
    from imds_mock.faults.armed import ArmedFault, ArmedFaults
    from imds_mock.service.snapshot import Snapshot


_ATTEMPTS: Final = (True, True, False)
"""Whether each attempt at a change runs in steps; during the last one no other change can come between."""


class State:
    """The current state.

    Args:
        config: The configuration to start with.
        builder: Builds configurations.
        faults: The faults.
        callers: The known callers.
        clock: Wall clock in seconds since the epoch.
        report: Receives a sentence about a part of a caller's configuration that is left out.

    Attributes:
        start, views: The configuration that `reset` restores; the snapshots of all callers.

    Raises:
        ConfigError: The settings contradict each other.
    """

    def __init__(  # noqa: PLR0913 - passed by keyword
        self,
        config: Config,
        *,
        builder: Builder,
        faults: ArmedFaults,
        callers: KnownCallers,
        clock: Callable[[], float],
        report: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._builder = builder
        self._report = report
        self._callers = callers
        self.clock = clock
        self.faults = faults
        self.start = config
        self._scenario: Scenario | None = None
        self._config = config
        self._events = ArmedEvents()
        self._caller_configs = self._caller_configs_of(config)
        self._use(self._views_of(self._caller_configs, self._events))
        callers.on_change = self.refresh

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @property
    def events(self) -> ArmedEvents:
        """The armed events."""
        return self._events

    def caller_config_of(self, caller: str) -> CallerConfig:
        """The configuration of the caller at this address."""
        return self._caller_configs.of(caller)

    def start_caller_config_of(self, caller: str) -> CallerConfig:
        """The configuration that the caller at this address has after `reset`."""
        return self._caller_configs_of(self.start, in_steps=True).of(caller)

    @property
    def needs_names(self) -> bool:
        """Whether responses depend on the caller's name."""
        return self._caller_configs.need_names

    @property
    def services(self) -> frozenset[str]:
        """The Compose services that variants match."""
        return self._caller_configs.services

    def configure(self, config: Config) -> None:
        """Put another configuration in force until the next `reset`.

        Raises:
            ConfigError: The settings contradict each other.
            ConflictingPathsError: An armed event needs a path that conflicts with the configuration.
        """
        for _ in self.configuring(lambda _current: config):
            pass

    def configuring(self, change: Callable[[Config], Config]) -> Iterator[None]:
        """Put a changed configuration in force in steps, between which requests can be answered.

        Nothing changes before the last step. If another change comes between, the preparation starts again from it.

        Args:
            change: Returns the new configuration for the one in force; may be called more than once.

        Raises:
            ConfigError: As for `configure`.
            ConflictingPathsError: As for `configure`.
        """
        for in_steps in _ATTEMPTS:
            before, events = self._config, self._events
            config = change(before)
            if in_steps:
                yield
            caller_configs = self._caller_configs_of(config, in_steps=True)
            for _ in caller_configs.prepare():
                if in_steps:
                    yield
            if in_steps:
                yield
                # The cache keeps this snapshot for the views.
                caller_configs.common.cache.under(without_target(visible(events.events, self.clock())))
                yield
            views = self._views_of(caller_configs, events)
            if self._config is before and self._events is events:
                self._swap(config, caller_configs, events, views)
                return

    def restarting_from(self, config: Config) -> Iterator[None]:
        """Put a configuration in force in steps, as `configuring` does, and make it the one that `reset` restores."""
        yield from self.configuring(lambda _current: config)
        self.start = config

    def schedule(self, events: ArmedEvents) -> None:
        """Replace the events.

        Raises:
            ConflictingPathsError: An event needs a path that conflicts with the configuration.
        """
        views = self._views_of(self._caller_configs, events)
        self._events = events
        self._use(views)

    def play(self, scenario: Scenario) -> tuple[tuple[ArmedEvent, ...], tuple[ArmedFault, ...]]:
        """Arm all steps of a scenario, or none.

        Args:
            scenario: The scenario; it begins now.

        Returns:
            The armed events and faults.

        Raises:
            ConflictingPathsError: An event needs a path that conflicts with the configuration.
            FieldError: A step is invalid.
            TooManyEventsError: There are too many events.
            TooManyFaultsError: There are too many faults.
        """
        now = self.clock()
        events, faults = scenario.timeline(now)
        timeline, before = self._events, self.faults.armed
        for event in events:
            timeline = timeline.arm(event, now)
        try:
            armed = tuple(self.faults.arm(fault, now) for fault in faults)
            self.schedule(timeline)
        except Exception:
            self.faults.armed = before
            raise
        return timeline.events[len(timeline.events) - len(events) :], armed

    def begin(self, scenario: Scenario) -> None:
        """Play a scenario now and after each `reset`; raises what `play` raises."""
        self.play(scenario)
        self._scenario = scenario

    def reset(self) -> None:
        """Restore the configuration of the start, and arm only the events and faults of its scenario, which begins now.

        No id of an event or fault is used twice.

        Raises:
            ConflictingPathsError: The scenario conflicts with that configuration.
        """
        now = self.clock()
        events, faults = self._scenario.timeline(now) if self._scenario else ([], [])
        timeline = self._events.clear()
        for event in events:
            timeline = timeline.arm(event, now)
        caller_configs = self._caller_configs_of(self.start)
        views = self._views_of(caller_configs, timeline)
        self.faults.replace_all(faults, now)
        self._builder.reset()
        self._swap(self.start, caller_configs, timeline, views)

    def refresh(self, addresses: Collection[str] | None = None) -> None:
        """Rebuild what depends on the callers.

        Args:
            addresses: Where the caller has changed; None means that the addresses of targets have changed.
        """
        if addresses is None:
            self._rebuild_views()
        else:
            self.views.forget(addresses)
            self._caller_configs.forget(addresses)

    def end_kept(self) -> None:
        """Let no response be sent again, because fetched credentials have changed."""
        self._caller_configs.end_kept()
        self._rebuild_views()

    def check_clock(self) -> None:
        """If the clock was set back, show the events again that had ended by the old time."""
        if self.clock() < self.views.built:
            self.refresh()

    def targets(self) -> set[str]:
        """The targets of all events and faults."""
        armed = (*(each.event for each in self._events.events), *(each.fault for each in self.faults.armed))
        return {each.target for each in armed if each.target is not None}

    def _rebuild_views(self) -> None:
        # If the clock was set back, an event that had ended may conflict with a newer configuration.
        with contextlib.suppress(ConflictingPathsError):
            self._use(self._views_of(self._caller_configs, self._events))

    def _swap(self, config: Config, caller_configs: CallerConfigs, events: ArmedEvents, views: Views) -> None:
        look_ups_differ = (caller_configs.services, config.callers) != (self.services, self._config.callers)
        self._config, self._caller_configs, self._events = config, caller_configs, events
        self._use(views)
        if look_ups_differ:
            self._callers.invalidate()

    def _caller_configs_of(self, config: Config, *, in_steps: bool = False) -> CallerConfigs:
        return CallerConfigs(config, self._builder.build, self._callers, self._report, in_steps=in_steps)

    def _use(self, views: Views) -> None:
        self.views = views
        self.snapshot_for: Callable[[str], Snapshot] = views.of
        """Returns the snapshot that the caller with an address sees now."""

    def _views_of(self, caller_configs: CallerConfigs, events: ArmedEvents) -> Views:
        cache_of = caller_configs.cache_of if caller_configs.differ else None
        views = Views(caller_configs.common.cache, events.events, self._callers.is_target, self.clock, cache_of)
        caller_configs.check(views.events)
        return views
