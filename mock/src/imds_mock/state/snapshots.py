"""The snapshot that each caller sees: the instance's metadata with the events for this caller on top.

Snapshots are built at a change, not at a request. Callers with the same events share one, and a change rebuilds only
what it concerns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from imds_mock.metadata.layers import apply_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from imds_mock.events.armed import ArmedEvent
    from imds_mock.metadata.tree import Leaf
    from imds_mock.scheduling.window import Window
    from imds_mock.service.snapshot import Snapshot

_MAX_CALLERS: Final = 4096


class ConflictingPathsError(ValueError):
    """The path of an event conflicts with the configured metadata."""


class _View:
    """A snapshot, and the times at which its endpoint is disabled."""

    __slots__ = ("disabled", "disabled_windows", "enabled")

    def __init__(self, snapshot: Snapshot, disabled_windows: tuple[Window, ...]) -> None:
        self.enabled = snapshot
        self.disabled_windows = disabled_windows
        self.disabled = snapshot
        if disabled_windows:
            options = msgspec.structs.replace(snapshot.options, http_endpoint="disabled")
            self.disabled = replace(snapshot, options=options, responses={}, mark=object())

    def without_responses(self) -> _View:
        return _View(replace(self.enabled, responses={}, mark=object()), self.disabled_windows)

    def at(self, now: float) -> Snapshot:
        return self.disabled if any(now in window for window in self.disabled_windows) else self.enabled


class SnapshotCache:
    """The snapshots of one configuration, one for each combination of events; each is built once.

    Args:
        leaves: The instance's leaves without events.
        build: Builds a snapshot from leaves.
        size: How many snapshots are kept.
    """

    __slots__ = ("_build", "_known", "_leaves", "_size")

    def __init__(
        self,
        leaves: Mapping[str, Leaf],
        build: Callable[[Mapping[str, Leaf]], Snapshot],
        size: int = 64,
    ) -> None:
        self._size = size
        self._leaves = leaves
        self._build = build
        self._known: dict[tuple[ArmedEvent, ...], _View] = {}

    def under(self, events: tuple[ArmedEvent, ...]) -> _View:
        """The snapshot under events, the later ones on top.

        Raises:
            ConflictingPathsError: The path of an event conflicts with a leaf.
        """
        view = self._known.get(events)
        if view is None:
            disabled_windows = (each.event.endpoint_disabled(each.period) for each in events)
            view = _View(self._snapshot(events), tuple(window for window in disabled_windows if window is not None))
            if len(self._known) >= self._size:
                self._known.clear()
            self._known[events] = view
        return view

    def end_kept(self) -> None:
        """Let no snapshot's response be sent again."""
        self._known = {events: view.without_responses() for events, view in self._known.items()}

    @property
    def leaves(self) -> Mapping[str, Leaf]:
        """The instance's leaves without events."""
        return self._leaves

    def _snapshot(self, events: tuple[ArmedEvent, ...]) -> Snapshot:
        layers = [layer for each in events for layer in each.event.layers(each.period)]
        try:
            return self._build(apply_layers(self._leaves, layers) if layers else self._leaves)
        except ValueError as error:
            raise ConflictingPathsError(str(error)) from error


def visible(events: Sequence[ArmedEvent], now: float) -> tuple[ArmedEvent, ...]:
    """The events that are visible now or later."""
    # A cancelled event stays cancelled, even if the clock is set back.
    return tuple(
        each
        for each in events
        if each.event.leaves_traces or (each.period.canceled_at is None and each.period.planned.end > now)
    )


def without_target(events: Sequence[ArmedEvent]) -> tuple[ArmedEvent, ...]:
    """The events for all callers."""
    return tuple(each for each in events if each.event.target is None)


class Views:
    """The snapshots of all callers under one state.

    Args:
        cache: The snapshots of callers without a configuration of their own.
        events: The armed events, earliest first.
        is_target: Whether an address matches a target.
        clock: Wall clock in seconds since the epoch.
        cache_of: Returns the snapshots of the caller at an address; None if all callers have the same ones.

    Attributes:
        built: When this was built; events that had ended by then are left out.
        events: The events that are visible.
        of: Returns the snapshot that the caller at an address sees now.
        revision: Another object once a caller may see another snapshot; None while that depends on the time as well.

    Raises:
        ConflictingPathsError: The path of an event conflicts with a leaf.
    """

    __slots__ = (
        *("_by_caller", "_cache_of", "_clock", "_common", "_is_target", "_is_timed", "built", "events", "of"),
        "revision",
    )

    def __init__(
        self,
        cache: SnapshotCache,
        events: Sequence[ArmedEvent],
        is_target: Callable[[str, str], bool],
        clock: Callable[[], float],
        cache_of: Callable[[str], SnapshotCache] | None = None,
    ) -> None:
        self._cache_of = cache_of or (lambda _caller: cache)
        self.built = clock()
        self.events = visible(events, self.built)
        self._is_target = is_target
        self._clock = clock
        self._by_caller: dict[str, _View] = {}
        self._is_timed = any(each.event.endpoint_disabled(each.period) is not None for each in self.events)
        self.revision: object = None if self._is_timed else object()
        self._common = cache.under(without_target(self.events))
        self.of: Callable[[str], Snapshot] = self._shared
        if any(each.event.target is not None for each in self.events):
            # All events together have every path that any caller may see.
            cache.under(self.events)
            self.of = self._own
        elif cache_of is not None:
            self.of = self._own
        elif not self._common.disabled_windows:
            common = self._common.enabled
            self.of = lambda _caller: common

    def forget(self, callers: Iterable[str]) -> None:
        """Drop the views of addresses at which the caller has changed."""
        for caller in callers:
            self._by_caller.pop(caller, None)
        self.revision = None if self._is_timed else object()

    def _shared(self, _caller: str) -> Snapshot:
        return self._common.at(self._clock())

    def _own(self, caller: str) -> Snapshot:
        view = self._by_caller.get(caller)
        if view is None:
            view = self._cache_of(caller).under(
                tuple(
                    each
                    for each in self.events
                    if each.event.target is None or self._is_target(caller, each.event.target)
                )
            )
            if len(self._by_caller) >= _MAX_CALLERS:
                self._by_caller.clear()
            self._by_caller[caller] = view
        return view.at(self._clock()) if view.disabled_windows else view.enabled
