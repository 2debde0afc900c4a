"""What each caller sees: the instance's metadata with the events that concern him laid over it.

Views are built when something changes, not when somebody asks; callers to whom the same events apply share one, and
what a change does not concern stays as it was built.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.metadata.layers import apply_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from imds_mock.events.armed import ArmedEvent
    from imds_mock.metadata.tree import Leaf
    from imds_mock.scheduling.schedule import Window
    from imds_mock.service.snapshot import Snapshot

_MAX_CALLERS: Final = 4096


class ConflictingPathsError(ValueError):
    """An event's path cannot exist beside the metadata that was set."""


class _View:
    """One caller's snapshot, and the times at which his endpoint is switched off."""

    __slots__ = ("closings", "open", "shut")

    def __init__(self, snapshot: Snapshot, closings: tuple[Window, ...]) -> None:
        self.open = snapshot
        self.closings = closings
        self.shut = snapshot
        if closings:
            options = msgspec.structs.replace(snapshot.options, http_endpoint="disabled")
            self.shut = replace(snapshot, options=options, rendered={})

    def at(self, now: float) -> Snapshot:
        return self.shut if any(now in window for window in self.closings) else self.open


class SnapshotCache:
    """What an instance looks like while certain events hold; each look is built once.

    Args:
        leaves: The instance's leaves without events.
        build: Builds a snapshot from leaves.
        most: How many looks are kept.
    """

    __slots__ = ("_build", "_known", "_leaves", "_most")

    def __init__(
        self,
        leaves: Mapping[str, Leaf],
        build: Callable[[Mapping[str, Leaf]], Snapshot],
        most: int = 64,
    ) -> None:
        self._most = most
        self._leaves = leaves
        self._build = build
        self._known: dict[tuple[ArmedEvent, ...], _View] = {}

    def under(self, events: tuple[ArmedEvent, ...]) -> _View:
        """The look under events, the later ones on top.

        Raises:
            ConflictingPathsError: An event needs a path that the leaves rule out.
        """
        view = self._known.get(events)
        if view is None:
            closings = (each.event.endpoint_disabled(each.course) for each in events)
            view = _View(self._snapshot(events), tuple(window for window in closings if window is not None))
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[events] = view
        return view

    def _snapshot(self, events: tuple[ArmedEvent, ...]) -> Snapshot:
        layers = [layer for each in events for layer in each.event.layers(each.course)]
        try:
            return self._build(apply_layers(self._leaves, layers) if layers else self._leaves)
        except ValueError as error:
            raise ConflictingPathsError(str(error)) from error


def visible(events: Sequence[ArmedEvent], now: float) -> tuple[ArmedEvent, ...]:
    """The events of which anything can be seen from now on."""
    # What was canceled stays so, even if the clock is set back to before that.
    return tuple(
        each
        for each in events
        if each.event.leaves_traces or (each.course.canceled_at is None and each.course.planned.end > now)
    )


def for_everybody(events: Sequence[ArmedEvent]) -> tuple[ArmedEvent, ...]:
    """Those without a target."""
    return tuple(each for each in events if each.event.target is None)


class Views:
    """All callers' views under one state.

    Args:
        looks: What the instance looks like.
        events: The armed events, earliest first.
        is_target: Says whether an address goes by a name.
        clock: Wall clock, seconds since the epoch.
        looks_of: Gives the looks of the caller with an address; None if all look alike.

    Raises:
        ConflictingPathsError: An event needs a path that the leaves rule out.
    """

    __slots__ = ("_by_caller", "_clock", "_common", "_is_target", "_looks_of", "built", "events", "of")

    def __init__(
        self,
        cache: SnapshotCache,
        events: Sequence[ArmedEvent],
        is_target: Callable[[str, str], bool],
        clock: Callable[[], float],
        cache_of: Callable[[str], SnapshotCache] | None = None,
    ) -> None:
        self._looks_of = cache_of or (lambda _caller: cache)
        self.built = clock()
        """When: what was over then is left out."""
        self.events = visible(events, self.built)
        """The events of which anything can be seen."""
        self._is_target = is_target
        self._clock = clock
        self._by_caller: dict[str, _View] = {}
        self._common = cache.under(for_everybody(self.events))
        self.of: Callable[[str], Snapshot] = self._shared
        """Gives the snapshot that the caller with this address sees now."""
        if any(each.event.target is not None for each in self.events):
            # All of them together name every path that any caller may see.
            cache.under(self.events)
            self.of = self._own
        elif cache_of is not None:
            self.of = self._own
        elif not self._common.closings:
            common = self._common.open
            self.of = lambda _caller: common

    def forget(self, callers: Iterable[str]) -> None:
        """Look at these addresses anew: others are behind them."""
        for caller in callers:
            self._by_caller.pop(caller, None)

    def _shared(self, _caller: str) -> Snapshot:
        return self._common.at(self._clock())

    def _own(self, caller: str) -> Snapshot:
        view = self._by_caller.get(caller)
        if view is None:
            view = self._looks_of(caller).under(
                tuple(
                    each
                    for each in self.events
                    if each.event.target is None or self._is_target(caller, each.event.target)
                )
            )
            if len(self._by_caller) >= _MAX_CALLERS:
                self._by_caller.clear()
            self._by_caller[caller] = view
        return view.at(self._clock()) if view.closings else view.open
