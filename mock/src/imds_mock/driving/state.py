"""What the mock is at this moment: configuration, events and faults; every change is one swap of a reference.

A change is prepared whole before it takes effect. If anything about it cannot be, nothing has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imds_mock.driving.views import Looks, Views
from imds_mock.events.armed import EventBook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.callers.names import Callers
    from imds_mock.config.settings import Config
    from imds_mock.events.armed import ArmedEvent
    from imds_mock.events.scenario import Scenario
    from imds_mock.faults.armed import ArmedFault, Faults
    from imds_mock.metadata.tree import Leaf
    from imds_mock.service.store import Snapshot


@dataclass(frozen=True, slots=True)
class Described:
    """What a configuration describes.

    Attributes:
        leaves: Its metadata by path, without events.
        build: Builds a snapshot from these leaves, or from others laid over them.
    """

    leaves: Mapping[str, Leaf]
    build: Callable[[Mapping[str, Leaf]], Snapshot]


class State:
    """The current state.

    Args:
        config: The configuration to start with.
        describe: Turns a configuration into what it describes.
        faults: The faults.
        callers: Who goes by which name.
        clock: Wall clock, seconds since the epoch.

    Raises:
        ConfigError: The configuration contradicts itself.
    """

    def __init__(
        self,
        config: Config,
        describe: Callable[[Config], Described],
        faults: Faults,
        callers: Callers,
        clock: Callable[[], float],
    ) -> None:
        self._describe = describe
        self._callers = callers
        self.clock = clock
        self.faults = faults
        self._start = config
        self._config = config
        self._events = EventBook()
        self._looks = self._looks_of(config)
        self._views = self._views_of(self._looks, self._events)
        callers.changed = self.refresh

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

    def configure(self, config: Config) -> None:
        """Put another configuration in force until the next `reset`.

        Raises:
            ConfigError: The configuration contradicts itself.
            ConflictingPathsError: An armed event needs a path that the configuration rules out.
        """
        looks = self._looks_of(config)
        views = self._views_of(looks, self._events)
        self._config, self._looks, self._views = config, looks, views

    def restart_from(self, config: Config) -> None:
        """Put a configuration in force, and let `reset` lead back to it.

        Raises:
            ConfigError: As for `configure`.
            ConflictingPathsError: As for `configure`.
        """
        self.configure(config)
        self._start = config

    def schedule(self, events: EventBook) -> None:
        """Put other events in force.

        Raises:
            ConflictingPathsError: An event needs a path that the configuration rules out.
        """
        views = self._views_of(self._looks, events)
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

    def reset(self) -> None:
        """Go back to the configuration at the start, without events and faults."""
        looks = self._looks_of(self._start)
        events = self._events.clear()
        views = self._views_of(looks, events)
        self.faults.clear()
        self._config, self._looks, self._events, self._views = self._start, looks, events, views

    def refresh(self) -> None:
        """Look again at who goes by which name."""
        self._views = self._views_of(self._looks, self._events)

    def targets(self) -> set[str]:
        """The names that events and faults have as targets."""
        targets = {each.event.target for each in self._events.events} | {
            each.fault.target for each in self.faults.armed
        }
        return {target for target in targets if target is not None}

    def _looks_of(self, config: Config) -> Looks:
        described = self._describe(config)
        return Looks(described.leaves, described.build)

    def _views_of(self, looks: Looks, events: EventBook) -> Views:
        return Views(looks, events.events, self._callers.is_target, self.clock)
