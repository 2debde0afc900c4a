"""The follower: updates the rules when the mock's address changes, for example because its container was recreated.

Once per second it resolves the name again, whatever the TTL (Docker's is ten minutes). If the result no longer contains
the rule's address and another of its addresses answers as an IMDS, the follower replaces the rule in one transaction
and ends the connections that were opened through the old one. Without an answer it changes nothing.

If the container has something to announce, the follower announces it again once per second, because a mock that was
restarted has forgotten it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imds_shim.deadline import Deadline
from imds_shim.endpoints import IPV6, addresses_of
from imds_shim.errors import ResolveError, ShimError
from imds_shim.nat.rule import ensure
from imds_shim.network.probe_result import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.endpoints import IPAddress
    from imds_shim.exec.hidden_process import HiddenProcess
    from imds_shim.log import Log
    from imds_shim.nat.rule import DnatRule, NatTable
    from imds_shim.network.search import Network

INTERVAL_SECONDS = 1.0
TIMEOUT_SECONDS = 1.0
PROCESS_NAME = "imds-shim"


@dataclass
class Follower:
    """One mock and the rules that redirect to it; the functions change the kernel.

    `announces_to_port` is the mock's port if the container has something to announce.
    """

    hostname: str
    rules: list[DnatRule]
    tables: Sequence[NatTable]
    network: Network
    ensure_route: Callable[[IPAddress, IPAddress], object]
    replace_rule: Callable[[DnatRule, Callable[[], None]], None]
    log: Log
    announces_to_port: int | None = None
    _warned: set[str] = field(default_factory=set)

    def update_rules(self) -> None:
        """Bring every rule up to date; a failure is retried by the next call."""
        ipv6 = any(rule.destination.version == IPV6 for rule in self.rules)
        try:
            found = self.network.resolve(self.hostname, Deadline(TIMEOUT_SECONDS), ipv6=ipv6)
        except ResolveError:
            return  # the mock is down; its old address is still the best guess
        # Probed once for all rules of an IP version, because a silent address takes the whole timeout.
        answering: dict[tuple[int, int], IPAddress | None] = {}
        for position, rule in enumerate(self.rules):
            if rule.to_address in found:
                continue
            key = rule.destination.version, rule.to_port
            if key not in answering:
                answering[key] = self._first_imds(*key, found)
            address = answering[key]
            if address is not None:
                self._replace_rule(position, rule.with_target(address))
        if self.announces_to_port is not None:
            self._announce(self.announces_to_port, found)

    def _announce(self, port: int, found: Sequence[IPAddress]) -> None:
        """Announce to the mock through each rule, or at its first address of each IP version if there is no rule."""
        targets = {rule.to_address for rule in self.rules}
        for address in targets or {each.version: each for each in reversed(found)}.values():
            try:
                result = self.network.announce(address, port, Deadline(TIMEOUT_SECONDS))
            except NoAnswerError:
                continue
            if result.refusal:
                self._warn_once(f"the mock refuses what this container announces: {result.refusal}")

    def _first_imds(self, version: int, port: int, found: Sequence[IPAddress]) -> IPAddress | None:
        redirected = {rule.destination for rule in self.rules}
        for address in found:
            if address.version == version and address not in redirected:
                try:
                    result = self.network.announce(address, port, Deadline(TIMEOUT_SECONDS))
                except NoAnswerError:
                    continue
                if result.is_imds:
                    return address
        return None

    def _replace_rule(self, position: int, new: DnatRule) -> None:
        def replace() -> None:
            self.ensure_route(new.destination, new.to_address)
            ensure(self.tables, new)

        try:
            self.replace_rule(self.rules[position], replace)
        except (ShimError, OSError) as error:
            self._warn_once(f"the mock has moved to {new.to_address}, but the rule cannot be updated: {error}")
            return
        self.rules[position] = new
        self._warned.clear()
        self.log.info(f"the mock has moved: {new}")

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            self.log.warning(sentence)


def start_follower(config: ShimConfig, network: Network, tables: Sequence[NatTable], log: Log) -> HiddenProcess | None:
    """Start the follower's process, before privileges are dropped; None if it has nothing to do.

    Raises:
        KernelRefusedError: the process cannot be created.
    """
    endpoints = addresses_of(config.endpoints, ipv6=config.ipv6)
    # Another shim in this namespace may redirect other endpoints, to a mock of its own.
    rules = [rule for rule in tables[0].own_rules() if rule.destination in endpoints] if tables else []
    if not (rules or config.announces):
        return None
    # Imported before the process is created, so that a missing library is reported here.
    from imds_shim import surroundings  # noqa: F401 - see above
    from imds_shim.exec import hidden_process, privileges
    from imds_shim.nat import conntrack, lock, route
    from imds_shim.network import probe  # noqa: F401 - see above

    def replace_rule(old: DnatRule, replace: Callable[[], None]) -> None:
        with lock.lock():
            conntrack.replace_rule(old, replace)

    def main(wait: Callable[[float], bool]) -> None:
        privileges.keep_only(privileges.NEEDED_BY_FOLLOWER)
        port = config.port if config.announces else None
        follow(Follower(config.hostname, rules, tables, network, route.ensure_route, replace_rule, log, port), wait)

    return hidden_process.start(PROCESS_NAME, main)


def follow(follower: Follower, wait: Callable[[float], bool]) -> None:
    """Update the rules once per second until `wait` reports that the application has ended."""
    while wait(INTERVAL_SECONDS):
        follower.update_rules()
