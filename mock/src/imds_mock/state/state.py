"""What the mock is at this moment: configuration, events and faults; every change is one swap of a reference.

A change is prepared whole before it takes effect. If anything about it cannot be, nothing has changed.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Protocol

from imds_mock.events.armed import EventBook
from imds_mock.state.caller_configs import CallerConfig, CallerConfigs
from imds_mock.state.snapshots import ConflictingPathsError, Views, for_everybody, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from imds_mock.build.built_config import Builder
    from imds_mock.callers.caller import Caller
    from imds_mock.config.settings import Config
    from imds_mock.events.armed import ArmedEvent
    from imds_mock.events.scenario import Scenario
    from imds_mock.faults.armed import ArmedFault, Faults
    from imds_mock.service.snapshot import Snapshot


_TRIES: Final = (True, True, False)
"""Whether a change is made in steps; the last time it is not, as then nobody can come between."""


class KnownCallers(Protocol):
    """The callers, as far as the state needs them; see `callers.registry`.

    Attributes:
        on_change: Is called when other callers are behind addresses; with None, when targets have other addresses.
    """

    on_change: Callable[[Collection[str] | None], None]

    def caller(self, address: str) -> Caller:
        """The caller with an address."""

    def is_target(self, address: str, target: str) -> bool:
        """Whether a target's name stands for an address."""

    def invalidate(self) -> None:
        """Look up every known caller again at its next request."""


class State:
    """The current state.

    Args:
        config: The configuration to start with.
        builder: Builds configurations.
        faults: The faults.
        callers: The known callers.
        clock: Wall clock in seconds since the epoch.
        report: Receives a sentence about a part of a caller's configuration that is left out.

    Raises:
        ConfigError: The configuration contradicts itself.
    """

    def __init__(  # noqa: PLR0913 - passed by keyword
        self,
        config: Config,
        *,
        builder: Builder,
        faults: Faults,
        callers: KnownCallers,
        clock: Callable[[], float],
        report: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._builder = builder
        self._report = report
        self._callers = callers
        self.clock = clock
        self.faults = faults
        self._start = config
        self._scenario: Scenario | None = None
        self._config = config
        self._events = EventBook()
        self._caller_configs = self._caller_configs_of(config)
        self._views = self._views_of(self._caller_configs, self._events)
        callers.on_change = self.refresh

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @property
    def events(self) -> EventBook:
        """The armed events."""
        return self._events

    def snapshot_for(self, caller: str) -> Snapshot:
        """What the caller with this address sees now."""
        return self._views.of(caller)

    def caller_config_of(self, caller: str) -> CallerConfig:
        """What the caller with this address is: configuration and variants."""
        return self._caller_configs.of(caller)

    @property
    def needs_names(self) -> bool:
        """Whether what a caller sees depends on his name."""
        return self._caller_configs.need_names

    @property
    def services(self) -> frozenset[str]:
        """The services that variants are for."""
        return self._caller_configs.services

    def configure(self, config: Config) -> None:
        """Put another configuration in force until the next `reset`.

        Raises:
            ConfigError: The configuration contradicts itself.
            ConflictingPathsError: An armed event needs a path that the configuration rules out.
        """
        for _ in self.configuring(lambda _current: config):
            pass

    def configuring(self, change: Callable[[Config], Config]) -> Iterator[None]:
        """Put a changed configuration in force step by step, so that others can be served between two steps.

        Nothing has changed before the last step. If somebody else changes something meanwhile, it begins anew with
        that.

        Args:
            change: Gives the new configuration for the one in force; may be called more than once.

        Raises:
            ConfigError: As for `configure`.
            ConflictingPathsError: As for `configure`.
        """
        for in_steps in _TRIES:
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
                # The looks keep it, so that it is there when the views need it.
                caller_configs.common.cache.under(for_everybody(visible(events.events, self.clock())))
                yield
            views = self._views_of(caller_configs, events)
            if self._config is before and self._events is events:
                self._swap(config, caller_configs, events, views)
                return

    def restart_from(self, config: Config) -> None:
        """Put a configuration in force, and let `reset` lead back to it.

        Raises:
            ConfigError: As for `configure`.
            ConflictingPathsError: As for `configure`.
        """
        for _ in self.restarting_from(config):
            pass

    def restarting_from(self, config: Config) -> Iterator[None]:
        """Do what `restart_from` does step by step, so that others can be served between two steps.

        Raises:
            ConfigError: As for `configure`.
            ConflictingPathsError: As for `configure`.
        """
        yield from self.configuring(lambda _current: config)
        self._start = config

    def schedule(self, events: EventBook) -> None:
        """Put other events in force.

        Raises:
            ConflictingPathsError: An event needs a path that the configuration rules out.
        """
        views = self._views_of(self._caller_configs, events)
        self._events, self._views = events, views

    def play(self, scenario: Scenario) -> tuple[tuple[ArmedEvent, ...], tuple[ArmedFault, ...]]:
        """Put all steps of a scenario on the clock, or none.

        Args:
            scenario: The scenario; it begins now.

        Returns:
            The events and faults that it has armed.

        Raises:
            ConflictingPathsError: An event needs a path that the configuration rules out.
            FieldError: A step cannot be read.
            TooManyEventsError: There are too many events.
            TooManyFaultsError: There are too many faults.
        """
        now = self.clock()
        events, faults = scenario.timeline(now)
        book, before = self._events, self.faults.armed
        for event in events:
            book = book.arm(event, now)
        try:
            armed = tuple(self.faults.arm(fault, now) for fault in faults)
            self.schedule(book)
        except Exception:
            self.faults.put_back(before)
            raise
        return book.events[len(book.events) - len(events) :], armed

    def begin(self, scenario: Scenario) -> None:
        """Play a scenario, and have `reset` play it again.

        Raises:
            ConflictingPathsError: As for `play`.
            TooManyEventsError: As for `play`.
            TooManyFaultsError: As for `play`.
        """
        self.play(scenario)
        self._scenario = scenario

    def reset(self) -> None:
        """Go back to the start: its configuration, no events and faults but those of its scenario, which begins now.

        Ids of events and faults go on: none is used twice.

        Raises:
            ConflictingPathsError: The configuration has changed so that the scenario cannot be played any more.
        """
        now = self.clock()
        events, faults = self._scenario.timeline(now) if self._scenario else ([], [])
        book = self._events.clear()
        for event in events:
            book = book.arm(event, now)
        caller_configs = self._caller_configs_of(self._start)
        views = self._views_of(caller_configs, book)
        self.faults.restart(faults, now)
        self._builder.reset()
        self._swap(self._start, caller_configs, book, views)

    def refresh(self, addresses: Collection[str] | None = None) -> None:
        """Look again at who goes by which name.

        Args:
            addresses: Where somebody else is now; None means anywhere.
        """
        if addresses is None:
            # An event that was over when the configuration came may be ruled out by it, and the clock be set back then.
            with contextlib.suppress(ConflictingPathsError):
                self._views = self._views_of(self._caller_configs, self._events)
        else:
            self._views.forget(addresses)
            self._caller_configs.forget(addresses)

    def look_at_the_clock(self) -> None:
        """If it was set back, let those see events who would see them at that time: some were taken for over."""
        if self.clock() < self._views.built:
            self.refresh()

    def targets(self) -> set[str]:
        """The names that events and faults have as targets."""
        targets = {each.event.target for each in self._events.events} | {
            each.fault.target for each in self.faults.armed
        }
        return {target for target in targets if target is not None}

    def _swap(self, config: Config, caller_configs: CallerConfigs, events: EventBook, views: Views) -> None:
        asks_otherwise = (caller_configs.services, config.callers) != (self.services, self._config.callers)
        self._config, self._caller_configs, self._events, self._views = config, caller_configs, events, views
        if asks_otherwise:
            self._callers.invalidate()

    def _caller_configs_of(self, config: Config, *, in_steps: bool = False) -> CallerConfigs:
        return CallerConfigs(config, self._builder.build, self._callers.caller, self._report, in_steps=in_steps)

    def _views_of(self, caller_configs: CallerConfigs, events: EventBook) -> Views:
        cache_of = caller_configs.cache_of if caller_configs.differ else None
        views = Views(caller_configs.common.cache, events.events, self._callers.is_target, self.clock, cache_of)
        caller_configs.check(views.events)
        return views
