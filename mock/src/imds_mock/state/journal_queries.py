"""What a test asks the journal: was this asked, by whom, how often; who speaks IMDSv1; who saw a notice and when.

The ring forgets. What it forgets about IMDSv1 calls and notices is kept as evidence, so those two answers hold since
the journal was last cleared; the count of requests says whether the ring still reaches back far enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.events.kinds import NOTICES
from imds_mock.scheduling.patterns import PathPattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imds_mock.state.journal import Entry, Journal

_NOTICE_NAMES: Final = tuple({path.rpartition("/")[2] for path in NOTICES})
_MAX_CALLERS: Final = 1024
_OK: Final = 200


class Occurrences(msgspec.Struct):
    """How often somebody did something.

    Attributes:
        caller: Address of the peer.
        subject: The notice that was seen, or the path of the first call.
        first: Time of the first in seconds since the epoch.
        last: Time of the last.
        times: How many there were. Of what the ring has forgotten, earlier ones than asked for may be among them.
    """

    caller: str
    subject: str
    first: float
    last: float
    times: int = 1


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are meant; what is None does not matter.

    Attributes:
        path: Pattern for the path, see `scheduling.patterns`.
        caller: Address, container or service name.
        method: `GET`, ...
        version: 1 or 2 for IMDSv1 or IMDSv2.
        status: HTTP status code.
        since: Seconds since the epoch; entries from then on.
        until: Seconds since the epoch; entries before that.
        fault: Id of a fault that made the answer.
        after: Number of an entry; those after it.
    """

    path: str | None = None
    caller: str | None = None
    method: str | None = None
    version: int | None = None
    status: int | None = None
    since: float | None = None
    until: float | None = None
    fault: str | None = None
    after: int | None = None

    def matcher(self, is_target: Callable[[str, str], bool]) -> Callable[[Entry], bool]:
        """A predicate for entries.

        Args:
            is_target: Says whether an address goes by a name.
        """
        matches_path = None if self.path is None else PathPattern(self.path).matches

        def matches(entry: Entry) -> bool:
            return (
                (matches_path is None or matches_path(entry.path))
                and (self.caller is None or is_target(entry.caller, self.caller))
                and (self.method is None or entry.method == self.method.upper())
                and (self.version is None or entry.version == self.version)
                and (self.status is None or entry.status == self.status)
                and (self.since is None or entry.time >= self.since)
                and (self.until is None or entry.time < self.until)
                and (self.fault is None or self.fault in entry.faults)
                and (self.after is None or entry.number > self.after)
            )

        return matches


class Count(msgspec.Struct, frozen=True):
    """How many entries there are of a kind.

    Attributes:
        count: How many are in the journal.
        first: Time of the first, None without any.
        last: Time of the last.
        complete: The journal still reaches back far enough to know them all.
    """

    count: int
    first: float | None
    last: float | None
    complete: bool

    def holds(self, at_least: int | None, at_most: int | None) -> bool:
        """Whether the count lies within bounds; without any bound, whether there is at least one.

        What is not complete can show that there were enough, never that there were not too many.
        """
        if at_least is None and at_most is None:
            at_least = 1
        return (at_least is None or self.count >= at_least) and (
            at_most is None or (self.complete and self.count <= at_most)
        )


class JournalQueries:
    """Answers about a journal.

    Args:
        journal: The journal; it tells this object what it forgets.
        is_target: Says whether an address goes by a name.
    """

    def __init__(self, journal: Journal, is_target: Callable[[str, str], bool]) -> None:
        self._journal = journal
        self._is_target = is_target
        self._forgotten_until: float | None = None
        self._v1: dict[tuple[str, str], Occurrences] = {}
        self._notices: dict[tuple[str, str], Occurrences] = {}
        journal.forgotten = self._keep_evidence

    def select(self, wanted: Filter, limit: int) -> Iterator[Entry]:
        """The newest entries that match, newest first.

        Args:
            wanted: Which ones.
            limit: How many at most.
        """
        matches = wanted.matcher(self._is_target)
        for entry in self._journal.latest():
            if limit <= 0:
                return
            if matches(entry):
                limit -= 1
                yield entry

    def count(self, wanted: Filter) -> Count:
        """How many entries match.

        Args:
            wanted: Which ones.
        """
        times = [entry.time for entry in filter(wanted.matcher(self._is_target), self._journal)]
        forgotten = self._forgotten_until
        complete = forgotten is None or (wanted.since is not None and wanted.since > forgotten)
        return Count(len(times), min(times, default=None), max(times, default=None), complete)

    def imdsv1_calls(self, since: float | None = None, caller: str | None = None) -> list[Occurrences]:
        """Who has called without a session token, refused calls included; the first caller first.

        Args:
            since: Seconds since the epoch; None means since the journal was cleared.
            caller: Address, container or service name; None means anybody.
        """
        return self._told(self._v1, _v1_subject, since, caller)

    def notices(self, since: float | None = None, caller: str | None = None) -> list[Occurrences]:
        """Who has seen which notice, the first one first.

        Args:
            since: Seconds since the epoch; None means since the journal was cleared.
            caller: Address, container or service name; None means anybody.
        """
        return self._told(self._notices, _notice_subject, since, caller)

    def restart(self) -> None:
        """Forget the entries and the evidence, and count requests from here on."""
        self.clear()
        self._journal.restart()

    def clear(self) -> None:
        """Forget the entries and the evidence."""
        self._journal.clear()
        self._forgotten_until = None
        self._v1.clear()
        self._notices.clear()

    def _told(
        self,
        evidence: dict[tuple[str, str], Occurrences],
        subject_of: Callable[[Entry], str | None],
        since: float | None,
        caller: str | None,
    ) -> list[Occurrences]:
        entries = tuple(self._journal)  # first, because it may turn entries into evidence
        told = {
            key: msgspec.structs.replace(kept) for key, kept in evidence.items() if since is None or kept.last >= since
        }
        for entry in entries:
            if since is None or entry.time >= since:
                _add(told, entry, subject_of(entry), _MAX_CALLERS * 2)
        wanted: Iterable[Occurrences] = told.values()
        if caller is not None:
            wanted = (each for each in wanted if self._is_target(each.caller, caller))
        return sorted(wanted, key=lambda each: each.first)

    def _keep_evidence(self, entries: Sequence[Entry]) -> None:
        self._forgotten_until = entries[-1].time
        for entry in entries:
            if entry.version == 1:
                _add(self._v1, entry, _v1_subject(entry), _MAX_CALLERS)
            if entry.status == _OK and entry.path.endswith(_NOTICE_NAMES):
                _add(self._notices, entry, _notice_subject(entry), _MAX_CALLERS)


def _v1_subject(entry: Entry) -> str | None:
    return "imdsv1" if entry.version == 1 else None


def _notice_subject(entry: Entry) -> str | None:
    if entry.status != _OK or entry.method != "GET":
        return None
    return NOTICES.get(entry.path[1:].partition("/")[2])


def _add(occurrences: dict[tuple[str, str], Occurrences], entry: Entry, subject: str | None, bound: int) -> None:
    if subject is None:
        return
    known = occurrences.get((entry.caller, subject))
    if known is not None:
        known.times += 1
        known.last = entry.time
    elif len(occurrences) < bound:
        occurrences[entry.caller, subject] = Occurrences(entry.caller, subject, entry.time, entry.time)
