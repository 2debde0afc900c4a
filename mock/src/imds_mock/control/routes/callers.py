"""Callers: those in the journal, and how the mock sees each of them."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.callers.target_matching import match_target
from imds_mock.control import shown
from imds_mock.control.operations import Operation
from imds_mock.control.problems import ProblemError
from imds_mock.control.shown_callers import Caller, Client, ShownAnnouncement, ShownIdentity
from imds_mock.metadata.tree import LATEST
from imds_mock.state.announcing import shown_facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.callers.caller import Caller as KnownCaller
    from imds_mock.config.callers import Match
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.service.snapshot import Snapshot

_HERE: Final = "127.0.0.1"
_ROLES: Final = "meta-data/iam/security-credentials"
_REGION: Final = "meta-data/placement/region"
_ZONE: Final = "meta-data/placement/availability-zone"
_IPV4: Final = "meta-data/local-ipv4"
_MAC: Final = "meta-data/mac"
_MOST_CLIENTS: Final = 10
_KIND: Final = attrgetter("caller", "version", "user_agent")


class WhoQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects callers.

    Attributes:
        caller: Address, container or service name; none: the client that sends this request.
    """

    caller: str | None = None


class AnnouncedQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects announcements.

    Attributes:
        caller: Address, container or service name; none: every caller.
    """

    caller: str | None = None


class Matched(msgspec.Struct, frozen=True):
    """The number of callers that a name or address matches.

    Attributes:
        caller: The name or address; null: all callers.
        callers: Number of matching callers: running containers, addresses in the journal, and stopped containers whose
            address no other container has.
        warning: Why it matches none or may miss some, and what to write instead.
    """

    caller: str | None
    callers: int
    warning: str | None


class CallerRoutes:
    """The operations on callers."""

    group: Final = "callers"

    def __init__(self, context: ControlContext) -> None:
        self._context = context

    def operations(self) -> list[Operation]:
        """List the operations."""
        match, whoami = "Count the callers that a name matches", "Show how the mock sees a caller"
        forget, forgets = (
            "Forget what callers have announced, so that they can announce something else",
            "/v1/announcements",
        )
        one_or_several = ShownIdentity | tuple[ShownIdentity, ...]
        return [
            Operation("GET", "/v1/callers", "List the callers in the journal", self.list, tuple[Caller, ...]),
            Operation("GET", "/v1/whoami", whoami, self.whoami, one_or_several, query=WhoQuery, problems=(404,)),
            Operation("GET", "/v1/callers/match", match, self.match, Matched, query=WhoQuery),
            Operation("DELETE", forgets, forget, self.forget, None, query=AnnouncedQuery, problems=(404,)),
        ]

    async def list(self, _call: Call) -> tuple[Caller, ...]:
        """List the callers in the journal, most requests first."""
        await self._context.look_up()
        entries = tuple(self._context.journal)
        # These run in C, because the page requests this list every 2 s.
        first = {entry.caller: entry.time for entry in reversed(entries)}
        last = {entry.caller: entry.time for entry in entries}
        kinds: dict[str, list[tuple[int, str, int]]] = {}
        for (address, version, agent), number in Counter(map(_KIND, entries)).items():
            kinds.setdefault(address, []).append((version, agent, number))
        await self._context.callers.look_up(kinds)
        listed = (
            self._caller(address, (first[address], last[address]), of_caller) for address, of_caller in kinds.items()
        )
        return tuple(sorted(listed, key=lambda caller: -caller.requests))

    async def whoami(self, call: Call) -> ShownIdentity | tuple[ShownIdentity, ...]:
        """Show one caller, or all callers with the same name."""
        peer = call.request.client
        who = call.query.caller or (peer.host if peer else _HERE)
        addresses = await self._context.addresses_of(who)
        if not addresses:
            raise ProblemError(404, str(self._context.match(who).warning))
        found = tuple(map(self._identity, addresses))
        return found if len(found) > 1 else found[0]

    async def match(self, call: Call) -> Matched:
        """Count the callers that a name matches."""
        who = call.query.caller
        await self._context.look_up(who)
        if who is None:
            return Matched(None, len(self._context.callers.known_callers()), None)
        found = match_target(self._context.callers, who, in_journal=True)
        return Matched(who, len(found.callers), found.warning)

    async def forget(self, call: Call) -> None:
        """Forget what callers have announced."""
        who, callers = call.query.caller, self._context.callers
        addresses = (None,) if who is None else await self._context.addresses_of(who)
        if not addresses:
            raise ProblemError(404, str(self._context.match(who).warning))
        for address in addresses:
            callers.forget_announcements(address)

    def _identity(self, address: str) -> ShownIdentity:
        state = self._context.state
        caller, snapshot = self._context.callers.caller(address), state.snapshot_for(address)
        return ShownIdentity(
            address,
            caller.addresses,
            caller.container,
            caller.service,
            caller.networks,
            state.config.identity,
            self._variants(address),
            snapshot.instance.decode(),
            self._leaf(snapshot, _ZONE),
            self._leaf(snapshot, _ROLES),
            self._leaf(snapshot, _IPV4),
            self._leaf(snapshot, _MAC),
            snapshot.options.http_tokens,
            _announcement(caller),
        )

    def _caller(self, address: str, times: tuple[float, float], kinds: Iterable[tuple[int, str, int]]) -> Caller:
        caller, snapshot = self._context.callers.caller(address), self._context.state.snapshot_for(address)
        old, clients = 0, Counter[str]()
        for version, agent, number in kinds:
            clients[agent] += number
            old += number if version == 1 else 0
        return Caller(
            address,
            caller.addresses,
            self._context.callers.last_names(address),
            caller.container,
            caller.service,
            caller.networks,
            snapshot.instance.decode(),
            self._variants(address),
            self._leaf(snapshot, _ROLES),
            self._leaf(snapshot, _REGION),
            self._leaf(snapshot, _ZONE),
            self._leaf(snapshot, _IPV4),
            self._leaf(snapshot, _MAC),
            snapshot.options.http_tokens,
            _announcement(caller),
            shown.moment(times[0]),
            shown.moment(times[1]),
            clients.total(),
            old,
            tuple(Client(agent, number) for agent, number in clients.most_common(_MOST_CLIENTS)),
        )

    def _variants(self, address: str) -> tuple[str, ...]:
        state = self._context.state
        places = state.caller_config_of(address).variants
        return tuple(f"{place}: {_conditions(state.config.variants[place].match)}" for place in places)

    def _leaf(self, snapshot: Snapshot, path: str) -> str | None:
        found = snapshot.tree.lookup(LATEST, path, self._context.state.clock())
        return None if found is None else found.body.decode(errors="replace")


def _announcement(caller: KnownCaller) -> ShownAnnouncement | None:
    announced = caller.announced
    return None if announced is None else ShownAnnouncement(announced.name, shown_facts(announced))


def _conditions(match: Match) -> str:
    given = {name: getattr(match, name) for name in match.__struct_fields__}
    return " ".join(f"{name}={value}" for name, value in given.items() if value is not None)
