"""Queries of the journal: which requests were made, how often and by whom; IMDSv1 calls; notices that callers saw.

IMDSv1 calls and notices are summarized when their entries are evicted, so these two queries cover the time since the
journal was cleared. A count of requests says whether the journal still covers the whole period.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.events.kinds import NOTICES
from imds_mock.state.entries import CALLER, VERSION
from imds_mock.state.first_reads import FirstReads
from imds_mock.state.journal_filter import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imds_mock.state.entries import Batch, Entry
    from imds_mock.state.journal import Journal
    from imds_mock.state.journal_filter import Filter

_NOTICE_NAMES: Final = tuple({path.rpartition("/")[2] for path in NOTICES})
_MAX_CALLERS: Final = 1024
_OK: Final = 200
_IMDSV1: Final = "imdsv1"

_Times = tuple[float, float]
"""The mock's time and the real time of an entry."""


class Occurrences(msgspec.Struct):
    """How often a caller did something.

    Attributes:
        caller: The caller's IP address.
        subject: The notice that was seen, or the path of the first call.
        first: The mock's time at the first occurrence, in seconds since the epoch.
        last: The mock's time at the last one.
        times: How many there were; may include evicted ones from before the period.
        real_first: The real time at the first occurrence.
        real_last: The real time at the last one.
    """

    caller: str
    subject: str
    first: float
    last: float
    times: int
    real_first: float
    real_last: float


class JournalQueries:
    """Queries of a journal.

    Args:
        journal: The journal; passes on the entries that it evicts.
        is_target: Whether an address matches a target.

    Attributes:
        first_reads: When each caller first read what an event changes.
    """

    def __init__(self, journal: Journal, is_target: Callable[[str, str], bool]) -> None:
        self._journal = journal
        self._is_target = is_target
        self._evicted_until: float | None = None
        self._v1: dict[tuple[str, str], Occurrences] = {}
        self._notices: dict[tuple[str, str], Occurrences] = {}
        self.first_reads = FirstReads(journal, is_target)
        journal.on_evict = self._summarize

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
        found = sorted(filter(wanted.matcher(self._is_target), self._journal), key=_real_time)
        evicted = self._evicted_until
        complete = evicted is None or (wanted.since is not None and wanted.since > evicted)
        return Count(len(found), found[0].time if found else None, found[-1].time if found else None, complete)

    def imdsv1_calls(self, since: float | None = None, caller: str | None = None) -> list[Occurrences]:
        """The callers that sent requests without a session token, including refused ones, in order of the first one.

        Args:
            since: Real time in seconds since the epoch; None means since the journal was cleared.
            caller: Address, container or service name; None means all callers.
        """
        return self._occurrences(self._v1, _v1_subject, since, caller)

    def notices(self, since: float | None = None, caller: str | None = None) -> list[Occurrences]:
        """The notices that callers have seen, in order of the first occurrence.

        Args:
            since: Real time in seconds since the epoch; None means since the journal was cleared.
            caller: Address, container or service name; None means all callers.
        """
        return self._occurrences(self._notices, _notice_subject, since, caller)

    def restart(self) -> None:
        """Drop entries and summaries, and count requests from 0 again."""
        self.clear()
        self._journal.restart()

    def clear(self) -> None:
        """Drop entries and summaries."""
        self._journal.clear()
        self._evicted_until = None
        self._v1.clear()
        self._notices.clear()
        self.first_reads.clear()

    def _occurrences(
        self,
        summary: dict[tuple[str, str], Occurrences],
        subject_of: Callable[[Entry], str | None],
        since: float | None,
        caller: str | None,
    ) -> list[Occurrences]:
        entries = iter(self._journal)  # first, because this may evict entries
        found = {
            key: msgspec.structs.replace(kept)
            for key, kept in summary.items()
            if since is None or kept.real_last >= since
        }
        for entry in entries:
            if since is None or entry.real_time >= since:
                _add_entry(found, entry, subject_of(entry), _MAX_CALLERS * 2)
        wanted: Iterable[Occurrences] = found.values()
        if caller is not None:
            wanted = (each for each in wanted if self._is_target(each.caller, caller))
        return sorted(wanted, key=lambda each: each.real_first)

    def _summarize(self, batch: Batch) -> None:
        self._evicted_until = _times(batch, -1)[1]
        calls: dict[str, list[int]] = {}
        for place, kind in enumerate(batch.kinds):
            if kind[VERSION] == 1:
                calls.setdefault(kind[CALLER], []).append(place)
        for caller, places in calls.items():
            # No entry is built: an entry takes 2 us, and each of 256 entries may have a caller of its own.
            times = _times(batch, places[0]), _times(batch, places[-1])
            _add(self._v1, caller, _IMDSV1, _MAX_CALLERS, *times, len(places))
        if any(path.endswith(_NOTICE_NAMES) for path in set(batch.paths)):
            for entry in batch:
                if entry.status == _OK and entry.path.endswith(_NOTICE_NAMES):
                    _add_entry(self._notices, entry, _notice_subject(entry), _MAX_CALLERS)
                    self.first_reads.keep(entry)


def _real_time(entry: Entry) -> float:
    return entry.real_time


def _v1_subject(entry: Entry) -> str | None:
    return _IMDSV1 if entry.version == 1 else None


def _notice_subject(entry: Entry) -> str | None:
    if entry.status != _OK or entry.method != "GET":
        return None
    return NOTICES.get(entry.path[1:].partition("/")[2])


def _times(batch: Batch, place: int) -> _Times:
    return batch.times[place], batch.times[place] - batch.clock_offsets[place]


def _add_entry(occurrences: dict[tuple[str, str], Occurrences], entry: Entry, subject: str | None, bound: int) -> None:
    if subject is not None:
        times = entry.time, entry.real_time
        _add(occurrences, entry.caller, subject, bound, times, times, 1)


def _add(  # noqa: PLR0913, PLR0917 - private
    occurrences: dict[tuple[str, str], Occurrences],
    caller: str,
    subject: str,
    bound: int,
    first: _Times,
    last: _Times,
    count: int,
) -> None:
    known = occurrences.get((caller, subject))
    if known is not None:
        known.times += count
        known.last, known.real_last = last
    elif len(occurrences) < bound:
        occurrences[caller, subject] = Occurrences(caller, subject, first[0], last[0], count, first[1], last[1])
