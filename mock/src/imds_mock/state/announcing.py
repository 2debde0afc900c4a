"""Accepts or refuses what a shim announces about its container, in the header of its probe.

Reading and checking an announcement takes milliseconds, so the number of different ones from an address is limited.

The header has the key of the shim's start, the name and the facts, the last two in base64 (URL-safe, without padding)
and `-` if there are none: `KEY NAME FACTS`. The key `check` has everything checked and nothing kept.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Final

from imds_mock.callers.caller import Announced
from imds_mock.callers.variant_matching import matching_variants
from imds_mock.config.announced import (
    NAME_VARIABLE,
    VARIABLE,
    as_problem,
    parse_facts,
    policy,
    require_name,
    with_facts,
)
from imds_mock.config.errors import ConfigError, SettingError
from imds_mock.config.variants import effective
from imds_mock.service.responses import AnnouncementOutcome
from imds_mock.violations.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.config.settings import Config

MAX_BYTES: Final = 8192
"""The longest `MOCK_INSTANCE`; in base64 it fits into a request with the default limits."""

BURST: Final = 10
"""The different announcements that an address may send at once."""

RATE: Final = 1.0
"""The further ones that it may send per second."""

_MAX_SENDERS: Final = 4096
CHECK_ONLY: Final = "check"
_HEADER: Final = re.compile(r"([0-9a-f]{32}|check) (-|[A-Za-z0-9_-]+) (-|[A-Za-z0-9_-]+)")
_NOTHING: Final = "-"
_EMPTY: Final = "- -"
_OTHER_VERSION: Final = "this announcement cannot be read; use imds-shim and imds-mock of the same version"


class _Sender:
    """How often an address has announced.

    Attributes:
        accepted: Hash of the name and facts that were accepted last; a follower or a restarted container repeats them.
    """

    __slots__ = ("_left", "_time", "accepted")

    def __init__(self, now: float) -> None:
        self._left, self._time = float(BURST), now
        self.accepted: int | None = None

    def may_announce(self, now: float) -> bool:
        self._left = min(float(BURST), self._left + (now - self._time) * RATE)
        self._time = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Announcer:
    """Accepts announcements.

    Args:
        config: Returns the configuration in force.
        check: Raises a `SettingError` if the facts of a configuration contradict each other.
        callers: The known callers.
        report: Receives a sentence about a refused or changed announcement.
        monotonic: Clock in seconds.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        check: Callable[[Config], None],
        callers: CallerRegistry,
        report: Callable[[str], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._config = config
        self._check = check
        self._callers = callers
        self._report = report
        self._monotonic = monotonic
        self._senders: dict[str, _Sender] = {}

    def announce(self, address: str, header: str) -> AnnouncementOutcome:
        """Accept or refuse what a shim announces.

        Args:
            address: The address that the announcement comes from.
            header: The value of its header.

        Returns:
            What becomes of it; a sentence has no secrets.
        """
        sender = self._sender(address)
        before = self._callers.announced_at(address)
        key, _, content = header.partition(" ")
        is_repeated = before is not None and sender.accepted == hash(content) and _HEADER.fullmatch(header)
        if is_repeated and key != CHECK_ONLY and self._callers.announce(address, key, before):
            return AnnouncementOutcome()
        # Nothing to announce, as most shims have, costs nothing to read.
        if content != _EMPTY and not sender.may_announce(self._monotonic()):
            return AnnouncementOutcome(is_too_early=True)
        try:
            key, announced = self._read(header)
            self._accept(address, key, announced, before)
        except ConfigError as error:
            sentence = ". ".join(problem.sentence for problem in error.problems)
            self._report(f"refused what {address} announces: {sentence}")
            return AnnouncementOutcome(sentence)
        if announced is not None and announced == self._callers.announced_at(address):
            sender.accepted = hash(content)
        return AnnouncementOutcome()

    def _sender(self, address: str) -> _Sender:
        sender = self._senders.pop(address, None) or _Sender(self._monotonic())
        if len(self._senders) >= _MAX_SENDERS:
            del self._senders[next(iter(self._senders))]
        self._senders[address] = sender  # the last one, so the first one has been silent longest
        return sender

    def _accept(self, address: str, key: str, announced: Announced | None, before: Announced | None) -> None:
        if announced is not None:
            config = self._config()
            reason = _why_none_counts(config)
            if reason is not None:
                if announced.facts != "{}":
                    raise ConfigError(f"{VARIABLE}: {reason}; remove {VARIABLE}")
                announced = None
            elif announced != before:
                self._require_valid(config, address, announced)
        if key == CHECK_ONLY:
            return
        if not self._callers.announce(address, key, announced):
            variable = NAME_VARIABLE if announced is not None and announced.facts == "{}" else VARIABLE
            what = "nothing" if before is None else "something else"
            raise ConfigError(
                f"{variable}: the container at {address} has announced {what} before, and its environment cannot have "
                "changed since. Containers that share a network namespace, as in a Pod, must announce the same; if "
                "this is another container with the same hardware address, run `imds-mock ctl forget --caller "
                f"{address}` first"
            )
        if before is not None and before != announced:
            self._report(f"the container at {address} announces {_words(announced)}, before that {_words(before)}")

    def _read(self, header: str) -> tuple[str, Announced | None]:
        parts = _HEADER.fullmatch(header)
        if parts is None:
            raise ConfigError(_OTHER_VERSION)
        name, text = (None if part == _NOTHING else _decoded(part) for part in parts.groups()[1:])
        if name is None and text is None:
            return parts[1], None
        if name is not None:
            require_name(name)
        if text is not None and len(text.encode()) > MAX_BYTES:
            raise ConfigError(f"{VARIABLE}: is longer than {MAX_BYTES} bytes; put the facts into a variant of the mock")
        facts = {} if text is None else parse_facts(text)
        return parts[1], Announced(name, json.dumps(facts, sort_keys=True))

    def _require_valid(self, config: Config, address: str, announced: Announced) -> None:
        caller = self._callers.caller(address)
        whole = effective(config, matching_variants(config, caller))
        try:
            self._check(with_facts(whole, announced.instance, config))
        except SettingError as error:
            raise as_problem(error) from error


def _why_none_counts(config: Config) -> str | None:
    """Why no announcement counts; None if announcements count."""
    if config.compatibility == "aemm":
        return "this mock has one instance for all containers (compatibility aemm)"
    if policy(config) == "off":
        return "this mock accepts no announcements (callers.announced is off)"
    return None


def shown_facts(announced: Announced) -> dict[str, object]:
    """Announced facts without the user data, which may be long and may contain secrets."""
    facts: dict[str, object] = announced.instance
    if facts.get("user_data") is not None:
        facts["user_data"] = "(not shown)"
    return facts


def _words(announced: Announced | None) -> str:
    if announced is None:
        return "nothing"
    name = "" if announced.name is None else f"{NAME_VARIABLE}={announced.name} "
    return name + shown(json.dumps(shown_facts(announced)))


def _decoded(part: str) -> str:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
    except ValueError as error:
        raise ConfigError(_OTHER_VERSION) from error
