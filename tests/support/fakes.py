"""Fakes of the shim's network and kernel that fail as the real ones do."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imds_shim.deadline import Deadline
from imds_shim.errors import KernelRefusedError, ResolveError
from imds_shim.log import Log
from imds_shim.network.probe_result import NoAnswerError, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from imds_shim.log import Level
    from imds_shim.nat.rule import DnatRule, NatTable


@dataclass
class FakeNatTable:
    """A NAT table in memory. `replace` is a transaction; it can refuse a change or ignore new rules.

    `history` holds the rules after each transaction, so a test can check every state that packets met.
    """

    name: str = "legacy"
    rules: list[DnatRule] = field(default_factory=list)
    refuses: bool = False
    ignores: bool = False
    history: list[tuple[DnatRule, ...]] = field(default_factory=list)

    def own_rules(self) -> Sequence[DnatRule]:
        return tuple(self.rules)

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        if self.refuses:
            raise KernelRefusedError("can't initialize nat: Table does not exist")
        after = list(self.rules)
        for rule in remove:
            if rule not in after:
                raise KernelRefusedError("Bad rule (does a matching rule exist in that chain?)")
            after.remove(rule)
        if not self.ignores:
            after[:0] = add
        self.rules = after
        self.history.append(tuple(after))


class FakeClock:
    """A clock that advances only in `sleep` and while a fake server hangs."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, self)


class Lines:
    """A log that collects its lines, without the program's name."""

    def __init__(self, level: Level = "debug") -> None:
        self.lines: list[str] = []
        self.log = Log(level, lambda line: self.lines.append(line.decode().removeprefix("imds-shim: ").rstrip("\n")))


MOCK_ONE = ProbeResult("mock", "one", "imds-mock one")
MOCK_TWO = ProbeResult("mock", "two", "imds-mock two")
OTHER_IMDS = ProbeResult("imds", None, "200 OK (Server: EC2ws)")
CONTROL = ProbeResult("control", None, "403 Forbidden")
NGINX = ProbeResult("other", None, "404 Not Found (Server: nginx)")


class FakeNetwork:
    """Names and servers by dictionary; a server is a ProbeResult, the message of a NoAnswerError, or a function.

    `probed` holds every probed address as `address:port`, and `announced` those that got an announcement. A server that
    does not answer uses up the deadline.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.names: dict[str, list[IPv4Address | IPv6Address]] = {}
        self.servers: dict[str, ProbeResult | str | Callable[[], ProbeResult | str]] = {}
        self.probed: list[str] = []
        self.announced: list[str] = []

    def resolve(self, host: str, deadline: Deadline, *, ipv6: bool) -> list[IPv4Address | IPv6Address]:
        del deadline, ipv6
        if not self.names.get(host):
            raise ResolveError(f"name server 10.0.0.53 replies NXDOMAIN for {host}")
        return self.names[host]

    def probe(self, address: IPv4Address | IPv6Address, port: int, deadline: Deadline) -> ProbeResult:
        where = f"{address}:{port}"
        self.probed.append(where)
        found = self.servers.get(where, "refuses the connection")
        if callable(found):
            found = found()
        if deadline.remaining() <= 0:
            raise NoAnswerError("does not answer the connection attempt")
        if isinstance(found, ProbeResult):
            return found
        if "accepts the connection" in found:
            self.clock.sleep(deadline.remaining())
        raise NoAnswerError(found)

    def announce(self, address: IPv4Address | IPv6Address, port: int, deadline: Deadline) -> ProbeResult:
        self.announced.append(f"{address}:{port}")
        return self.probe(address, port, deadline)

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class FakeKernel:
    """Two NAT tables and routes; `on_change` is called after each change of a route, so that a rule can take effect."""

    def __init__(self, on_change: Callable[[FakeKernel], None] = lambda _kernel: None) -> None:
        self.tables = [FakeNatTable("legacy"), FakeNatTable("nft")]
        self.refusal: Exception | None = None
        self.on_link = False
        self.has_own_route = False
        self.refusing: str | None = None
        self.user_routes: dict[int, str] = {}
        self.routes: list[tuple[str, str, bool]] = []
        self._on_change = on_change

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def open_tables(self, backend: str, without: Collection[str] = ()) -> Sequence[NatTable]:
        usable = [table for table in self.tables if table.name not in without and backend in ("auto", table.name)]
        if self.refusal:
            raise self.refusal
        if not usable:
            raise KernelRefusedError("this kernel has no nf_tables.")
        return [usable[0], *(table for table in self.tables if table is not usable[0])]

    def is_on_link(self, destination: IPv4Address | IPv6Address, *, ignore_own_route: bool = False) -> bool:
        del destination
        return self.on_link and not (ignore_own_route and self.has_own_route)

    def refused_by(self, destination: IPv4Address | IPv6Address) -> str | None:
        del destination
        return self.refusing

    def route_of_user(self, destination: IPv4Address | IPv6Address, uid: int) -> str | None:
        del destination
        return self.user_routes.get(uid)

    def check_route_permission(self) -> None:
        if self.refusal:
            raise self.refusal

    def ensure_route(
        self,
        destination: IPv4Address | IPv6Address,
        mock: IPv4Address | IPv6Address,
        undo: contextlib.ExitStack,
        *,
        on_link: bool,
    ) -> str | None:
        route = (str(destination), str(mock), on_link)
        self.routes.append(route)
        undo.callback(self.routes.remove, route)
        self._on_change(self)
        return f"added route {destination} to {mock}"
