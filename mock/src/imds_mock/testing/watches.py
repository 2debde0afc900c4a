"""The requests that have met an armed event or fault: followed in this process, or read over the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.testing.controls import MAX_SEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imds_mock.state.entries import Entry
    from imds_mock.testing.requests import Request


class JournalWatch:
    """An armed event or fault of a mock in this process, and the requests that have met it.

    Args:
        armed_id: Its id.
        meets: Whether a request meets it while it is active.
        as_request: Describes a journal entry.

    Attributes:
        entries: The requests that have met it, the first ones.
    """

    def __init__(self, armed_id: str, meets: Callable[[Entry], bool], as_request: Callable[[Entry], Request]) -> None:
        self.id = armed_id
        self.meets = meets
        self.entries: list[Entry] = []
        self._as_request = as_request

    def seen(self) -> tuple[Request, ...]:
        """The requests that have met it."""
        return tuple(map(self._as_request, self.entries))


class RemoteWatch:
    """An armed event or fault of a remote mock. The requests that have met it are read from the mock's journal.

    Args:
        journal: Returns the requests that the API's query selects.
        armed_id: Its id.
        after: Number of the last request before it was armed.
        meets: Whether a request meets it.
        query: Selects requests in the journal.
    """

    def __init__(
        self,
        journal: Callable[..., Iterable[Request]],
        armed_id: str,
        after: int,
        meets: Callable[[Request], bool],
        query: Mapping[str, str],
    ) -> None:
        self.id = armed_id
        self._journal = journal
        self._after = after
        self._meets = meets
        self._query = query
        self._requests: list[Request] = []
        self._is_closed = False

    def seen(self) -> tuple[Request, ...]:
        """The requests that have met it, the first `MAX_SEEN`."""
        if not self._is_closed:
            for each in self._journal(after=self._after, **self._query):
                self._after = each.number
                if len(self._requests) < MAX_SEEN and self._meets(each):
                    self._requests.append(each)
        return tuple(self._requests)

    def close(self) -> None:
        """Keep the requests so far; later ones no longer meet it."""
        self.seen()
        self._is_closed = True
