"""Stand-ins for what the shim touches, failing as the real thing does."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imds_shim.deadline import Deadline
from imds_shim.errors import KernelRefusedError, ResolveError
from imds_shim.log import Log
from imds_shim.network.answer import Answer, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from imds_shim.log import Level
    from imds_shim.nat.rule import DnatRule, NatTable


@dataclass
class FakeNatTable:
    """A NAT table in memory: all or nothing like a kernel transaction, and able to refuse or to swallow rules.

    `history` holds the rules after each transaction, so a test can tell what packets saw in between.
    """

    name: str = "legacy"
    rules: list[DnatRule] = field(default_factory=list)
    refuses: bool = False
    swallows: bool = False
    history: list[tuple[DnatRule, ...]] = field(default_factory=list)

    def ours(self) -> Sequence[DnatRule]:
        return tuple(self.rules)

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        if self.refuses:
            raise KernelRefusedError("can't initialize nat: Table does not exist")
        after = list(self.rules)
        for rule in remove:
            if rule not in after:
                raise KernelRefusedError("Bad rule (does a matching rule exist in that chain?)")
            after.remove(rule)
        if not self.swallows:
            after[:0] = add
        self.rules = after
        self.history.append(tuple(after))


class FakeClock:
    """Time that passes only when somebody sleeps or waits for an answer."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, self)


class Lines:
    """A log that keeps its lines, without the program's name in front."""

    def __init__(self, level: Level = "debug") -> None:
        self.lines: list[str] = []
        self.log = Log(level, lambda line: self.lines.append(line.decode().removeprefix("imds-shim: ").rstrip("\n")))


MOCK_ONE = Answer("mock", "one", "imds-mock one")
MOCK_TWO = Answer("mock", "two", "imds-mock two")
OTHER_IMDS = Answer("imds", None, "200 OK (Server: EC2ws)")
CONTROL = Answer("control", None, "403 Forbidden")
NGINX = Answer("other", None, "404 Not Found (Server: nginx)")


class FakeNetwork:
    """Names and servers by dictionary; a server is an Answer, a reason why there is none, or a function of the moment.

    `asked` holds every address that was asked, as `address:port`. A server that "hangs" takes all the time it is given.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.names: dict[str, list[IPv4Address | IPv6Address]] = {}
        self.servers: dict[str, Answer | str | Callable[[], Answer | str]] = {}
        self.asked: list[str] = []

    def resolve(self, host: str, deadline: Deadline, *, ipv6: bool) -> list[IPv4Address | IPv6Address]:
        del deadline, ipv6
        if not self.names.get(host):
            raise ResolveError(f"name server 10.0.0.53 answers NXDOMAIN for {host}")
        return self.names[host]

    def who_answers(self, address: IPv4Address | IPv6Address, port: int, deadline: Deadline) -> Answer:
        where = f"{address}:{port}"
        self.asked.append(where)
        found = self.servers.get(where, "refuses the connection")
        if callable(found):
            found = found()
        if deadline.remaining() <= 0:
            raise NoAnswerError("does not answer the connection attempt")
        if isinstance(found, Answer):
            return found
        if "then does not answer" in found:
            self.clock.sleep(deadline.remaining())
        raise NoAnswerError(found)

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class FakeKernel:
    """Two NAT tables and a route; `on_change` is called after each change, so that a rule can take effect."""

    def __init__(self, on_change: Callable[[FakeKernel], None] = lambda _kernel: None) -> None:
        self.tables = [FakeNatTable("legacy"), FakeNatTable("nft")]
        self.refusal: Exception | None = None
        self.near = False
        self.on_link = False
        self.refusing: str | None = None
        self.leads: list[tuple[str, str, bool]] = []
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

    def stays_near(self, destination: IPv4Address | IPv6Address) -> bool:
        del destination
        return self.near

    def leads_on_link(self, destination: IPv4Address | IPv6Address) -> bool:
        del destination
        return self.on_link

    def refused_by(self, destination: IPv4Address | IPv6Address) -> str | None:
        del destination
        return self.refusing

    def check_may_lead(self) -> None:
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
        led = (str(destination), str(mock), on_link)
        self.leads.append(led)
        undo.callback(self.leads.remove, led)
        self._on_change(self)
        return f"route {destination} leads to {mock} now"
