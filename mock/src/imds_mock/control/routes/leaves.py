"""The leaves that a caller sees, each with the source of its value, now or at the start; and how to revert them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from imds_mock.build.loading import document_of, from_document
from imds_mock.control.operations import Operation
from imds_mock.control.problems import ProblemError
from imds_mock.control.routes.metadata import CallerQuery, ShownLeaf, address_of, shown_leaf
from imds_mock.state.snapshots import visible
from imds_mock.state.value_sources import SourceName, ValueSources

if TYPE_CHECKING:
    from imds_mock.config.settings import Config
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.events.armed import ArmedEvent
    from imds_mock.metadata.tree import LookupResult
    from imds_mock.state.caller_configs import CallerConfig


_STEP: Final = 100
"""How many leaves are looked up between two metadata requests."""


class LeavesQuery(CallerQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects a caller, a version and a state of the mock."""

    at: Annotated[
        Literal["now", "start"],
        Meta(description="`now`, or `start`: the values that the caller gets after a reset."),
    ] = "now"


class SourcedLeaf(ShownLeaf, frozen=True, kw_only=True):
    """A leaf with the source of its value."""

    path: Annotated[str, Meta(description="The path, relative to the version.")]
    source: Annotated[
        SourceName,
        Meta(
            description="`setting`: the value of a setting; `derived`: computed from settings; `fixed`: from no "
            "setting; `override`: set by path; `event`: changed by an event."
        ),
    ]
    settings: Annotated[
        tuple[str, ...], Meta(description="Keys from which the leaf is derived if no override sets it.")
    ]
    events: Annotated[
        tuple[str, ...], Meta(description="Ids of the events that change the value, the last one on top.")
    ]
    is_overridden: Annotated[bool, Meta(description="Whether an override by path sets the value below the events.")]


class ShownLeaves(msgspec.Struct, frozen=True, kw_only=True):
    """The leaves that a caller sees."""

    version: Annotated[str, Meta(description="The metadata version.")]
    versions: Annotated[tuple[str, ...], Meta(description="All versions, in the order of the listing.")]
    leaves: Annotated[tuple[SourcedLeaf, ...], Meta(description="The leaves that exist, by path.")]
    removed: Annotated[tuple[str, ...], Meta(description="Paths that overrides remove.")]


class LeafRoutes:
    """The operations on leaves with their sources."""

    group: Final = "metadata"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """List the operations."""
        sources, revert = "List the leaves with the source of each value", "Restore a path as it was at the start"
        known: dict[str, Any] = {"problems": (404,)}
        changed: dict[str, Any] = {"problems": (404, 409, 422)}
        return [
            Operation("GET", "/v1/leaves", sources, self.list, ShownLeaves, query=LeavesQuery, **known),
            Operation("POST", "/v1/metadata/{path:path}/revert", revert, self.revert, None, **changed),
        ]

    async def list(self, call: Call) -> ShownLeaves:
        """List the leaves of one caller."""
        address, now = await address_of(call.query.caller, self._context), self._state.clock()
        version = call.query.version
        if call.query.at == "start":
            config = self._state.start_caller_config_of(address)
            snapshot, sources = config.cache.under(()).enabled, _sources(config, (), now)
        else:
            config = self._state.caller_config_of(address)
            snapshot = self._state.snapshot_for(address)
            sources = _sources(config, self._events_for(address, now), now)
        versions = tuple(snapshot.versions)
        if version not in versions:
            raise ProblemError(404, f"unknown version {version!r}; the mock serves {', '.join(versions)}")
        leaves = []
        for number, path in enumerate(sorted(snapshot.tree.leaves)):
            if number % _STEP == _STEP - 1:
                await self._context.pacer.wait()
            found = snapshot.tree.lookup(version, path, now)
            if found is not None:
                leaves.append(_leaf(path, found, sources))
        return ShownLeaves(version=version, versions=versions, leaves=tuple(leaves), removed=sources.removed)

    def _events_for(self, address: str, now: float) -> tuple[ArmedEvent, ...]:
        is_target = self._context.callers.is_target
        return tuple(
            each
            for each in visible(self._state.events.events, now)
            if each.event.target is None or is_target(address, each.event.target)
        )

    async def revert(self, call: Call) -> None:
        """Restore the overrides that the configuration at the start has for a path."""
        path = _plain(call.path["path"])

        def change(current: Config) -> Config:
            document = document_of(current)
            document["metadata"] = _reverted(path, document["metadata"], self._state.start.metadata)
            return from_document(document)

        await self._context.configure(change)


def _reverted(path: str, overrides: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """The section `metadata` with the overrides of a path, and below it, as they were at the start.

    Args:
        path: The path, relative to the version.
        overrides: The section in force.
        start: The section at the start.

    Raises:
        ProblemError: 404, no override differs; 409, only an override above the path does.
    """
    changed = {key for key in overrides.keys() | start.keys() if overrides.get(key, ...) != start.get(key, ...)}
    found = {key for key in changed if f"{_plain(key)}/".startswith(f"{path}/")}
    if not found:
        above = sorted(key for key in changed if f"{path}/".startswith(f"{_plain(key)}/"))
        if above:
            raise ProblemError(409, f"{path} is changed by the override of {above[-1]}; revert that path")
        raise ProblemError(404, f"{path}: no override was changed since the start")
    kept = {key: value for key, value in overrides.items() if key not in found}
    return kept | {key: value for key, value in start.items() if key in found}


def _plain(path: str) -> str:
    return path.strip("/").removeprefix("latest/")


def _sources(caller_config: CallerConfig, events: tuple[ArmedEvent, ...], now: float) -> ValueSources:
    return ValueSources(caller_config.config, caller_config.cache.leaves, events, now)


def _leaf(path: str, found: LookupResult, sources: ValueSources) -> SourcedLeaf:
    shown, source = shown_leaf(path, found), sources.of(path, found.body)
    return SourcedLeaf(
        value=shown.value,
        base64=shown.base64,
        content_type=shown.content_type,
        path=path,
        source=source.source,
        settings=source.settings,
        events=source.events,
        is_overridden=source.is_overridden,
    )
