"""Keeps the redirect right while the application runs: the mock may be recreated with another address.

Once a second the name is looked up again (whatever its TTL: Docker's is ten minutes). When the address in the rule is
no longer among the answers and another one answers as an IMDS, the rule is replaced in one step, and connections that
were opened through the old one are ended. While nothing answers, everything stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imds_shim import endpoints
from imds_shim.deadline import Deadline
from imds_shim.errors import ResolveError, ShimError
from imds_shim.nat import rule as nat
from imds_shim.network.answer import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.endpoints import IPAddress
    from imds_shim.exec.hidden_process import HiddenProcess
    from imds_shim.log import Log
    from imds_shim.nat.rule import DnatRule, NatTable
    from imds_shim.network.search import Network

INTERVAL_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
PROCESS_NAME = "imds-shim"


@dataclass
class Follower:
    """One mock and the rules that lead to it; `look` is one look around."""

    hostname: str
    rules: list[DnatRule]
    tables: Sequence[NatTable]
    network: Network
    ensure_route: Callable[[IPAddress, IPAddress], None]
    end_after: Callable[[DnatRule, Callable[[], None]], None]
    say: Log
    _said: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Bring every rule up to date; what cannot be done now is tried again at the next look."""
        ipv6 = any(rule.destination.version == 6 for rule in self.rules)  # noqa: PLR2004 - IP version
        try:
            found = self.network.resolve(self.hostname, Deadline(PATIENCE_SECONDS), ipv6=ipv6)
        except ResolveError:
            return  # the mock is away; nothing better than the old address is known
        # Asked once for all the rules of a family: one that is silent costs its patience, and there are several rules.
        answering: dict[tuple[int, int], IPAddress | None] = {}
        for position, rule in enumerate(self.rules):
            if rule.to_address in found:
                continue
            kind = rule.destination.version, rule.to_port
            if kind not in answering:
                answering[kind] = self._first_that_answers(*kind, found)
            address = answering[kind]
            if address is not None:
                self._move(position, rule.leading_to(address))

    def _first_that_answers(self, version: int, port: int, found: Sequence[IPAddress]) -> IPAddress | None:
        redirected = {one.destination for one in self.rules}
        for address in found:
            if address.version == version and address not in redirected:
                try:
                    answer = self.network.who_answers(address, port, Deadline(PATIENCE_SECONDS))
                except NoAnswerError:
                    continue
                if answer.is_imds:
                    return address
        return None

    def _move(self, position: int, new: DnatRule) -> None:
        old = self.rules[position]

        def switch() -> None:
            self.ensure_route(new.destination, new.to_address)
            nat.ensure(self.tables, new)

        try:
            self.end_after(old, switch)
        except (ShimError, OSError) as error:
            self._say_once(f"the mock has moved to {new.to_address}, and the rule could not follow: {error}")
            return
        self.rules[position] = new
        self._said.clear()
        self.say.info(f"the mock has moved: {new}")

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.say.warning(sentence)


def begin(config: ShimConfig, network: Network, tables: Sequence[NatTable], say: Log) -> HiddenProcess | None:
    """Start the process that follows the mock, before privileges are given up; None where there is no rule to keep.

    Raises:
        KernelRefusedError: no such process could be made.
    """
    mine = endpoints.of(config.endpoints, ipv6=config.ipv6)
    # Another start in this namespace may have other endpoints, which lead to a mock of its own.
    rules = [rule for rule in tables[0].ours() if rule.destination in mine]
    if not rules:
        return None
    # Loaded before the process is made, so that a library that is missing is noticed here.
    from imds_shim.exec import hidden_process, privileges  # noqa: PLC0415 - only then
    from imds_shim.nat import conntrack as connections  # noqa: PLC0415 - only then
    from imds_shim.nat import lock as exclusion  # noqa: PLC0415 - only then
    from imds_shim.nat import route  # noqa: PLC0415 - only then
    from imds_shim.network import probe  # noqa: F401, PLC0415 - only then

    def ensure_route(destination: IPAddress, mock: IPAddress) -> None:
        route.ensure_route(destination, mock)

    def end_after(old: DnatRule, switch: Callable[[], None]) -> None:
        with exclusion.lock():
            connections.end_after(old, switch)

    def main(wait: Callable[[float], bool]) -> None:
        privileges.limit_to(privileges.NEEDED_BY_THE_FOLLOWER)
        follow(Follower(config.hostname, rules, tables, network, ensure_route, end_after, say), wait)

    return hidden_process.start(PROCESS_NAME, main)


def follow(follower: Follower, wait: Callable[[float], bool]) -> None:
    """Look around once a second until `wait` says that the application has ended."""
    while wait(INTERVAL_SECONDS):
        follower.look()
