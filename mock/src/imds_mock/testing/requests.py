"""The requests that a mock has answered, with filters, and as a table for messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from imds_mock.callers.caller import is_address, normalize_address
from imds_mock.scheduling.patterns import PathPattern
from imds_mock.state.entries import VERSION_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imds_mock.state.entries import Entry

Version = Literal["v1", "v2", "ecs", "eks"]

_SHOWN: Final = 40
_HEADINGS: Final = ("no.", "time (UTC)", "caller", "request", "version", "token", "status", "faults")


@dataclass(frozen=True, slots=True)
class Request:
    """One request and its response.

    Attributes:
        number: The position in the order of arrival.
        time: When it arrived, by the mock's time.
        real_time: When it arrived, by the real time.
        caller: The caller's IP address.
        names: Names of the caller's container and service, if known.
        method: HTTP method; empty for bytes that could not be parsed.
        path: Path, decoded, with single slashes.
        written: Path as the client wrote it, without the query.
        version: `v1` or `v2` for IMDSv1 or IMDSv2, `ecs` or `eks` for a container agent, None for unparsed bytes.
        token: `absent`, `issued`, `valid`, `rejected` or `unchecked`.
        status: Status of the response; None if there was none.
        seconds: From receiving the request to sending the response.
        faults: Ids of the faults that changed the response.
    """

    number: int
    time: datetime
    real_time: datetime
    caller: str
    names: tuple[str, ...]
    method: str
    path: str
    written: str
    version: str | None
    token: str
    status: int | None
    seconds: float
    faults: tuple[str, ...]

    @classmethod
    def of(cls, entry: Entry, names: Callable[[str], tuple[str, ...]]) -> Request:
        """The request of a journal entry.

        Args:
            entry: The entry.
            names: Returns the names of the caller with an address.
        """
        return cls(
            entry.number,
            datetime.fromtimestamp(entry.time, UTC),
            datetime.fromtimestamp(entry.real_time, UTC),
            entry.caller,
            names(entry.caller),
            entry.method,
            entry.path,
            entry.written,
            VERSION_NAMES.get(entry.version),
            entry.token,
            entry.status or None,
            entry.microseconds / 1_000_000,
            entry.faults,
        )

    @classmethod
    def of_shown(cls, shown: Mapping[str, Any]) -> Request:
        """The request of a journal entry as the control plane shows it.

        Args:
            shown: The fields of the entry.
        """
        return cls(
            shown["number"],
            datetime.fromisoformat(shown["time"]),
            datetime.fromisoformat(shown["real_time"]),
            shown["caller"],
            tuple(shown["names"]),
            shown["method"] or "",
            shown["path"],
            shown["written"],
            shown["version"],
            shown["token"],
            shown["status"],
            shown["microseconds"] / 1_000_000,
            tuple(shown["faults"]),
        )


class Requests(tuple[Request, ...]):
    """Requests in the order of arrival. `str()` is a table."""

    __slots__ = ()

    def filter(  # noqa: PLR0913 - passed by keyword
        self,
        path: str | None = None,
        *,
        caller: str | None = None,
        version: Version | None = None,
        status: int | None = None,
        method: str | None = None,
        since: datetime | None = None,
    ) -> Requests:
        """The requests that match every given condition.

        Args:
            path: Pattern of the path, such as `meta-data/iam/*`; without a version it matches every version.
            caller: IP address, container or service name.
            version: `v1`, `v2`, `ecs` or `eks`.
            status: Status of the response.
            method: HTTP method.
            since: Only requests from then on, by the real time.

        Raises:
            FieldError: The pattern is invalid.
        """
        matches = None if path is None else PathPattern(path).matches
        return Requests(
            each
            for each in self
            if (matches is None or matches(each.path))
            and (caller is None or is_caller(each, caller))
            and (version is None or each.version == version)
            and (status is None or each.status == status)
            and (method is None or each.method == method.upper())
            and (since is None or each.real_time >= since)
        )

    def __str__(self) -> str:
        if not self:
            return "(no requests)"
        rows = [_HEADINGS, *map(_row, self[-_SHOWN:])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        if len(self) > _SHOWN:
            lines.insert(1, f"... {len(self) - _SHOWN} earlier requests")
        return "\n".join(lines)


def is_caller(request: Request, caller: str) -> bool:
    """Whether a request comes from a caller, given by address or name."""
    return request.caller == normalize_address(caller) if is_address(caller) else caller in request.names


def failure(sentence: str, made: Iterable[Request]) -> AssertionError:
    """The error of an assertion about requests.

    Args:
        sentence: What was expected.
        made: The requests that were made.
    """
    return AssertionError(f"{sentence}\n\nRequests that were made:\n{Requests(made)}")


def _row(request: Request) -> tuple[str, ...]:
    names = f" ({', '.join(request.names)})" if request.names else ""
    return (
        str(request.number),
        f"{request.time:%H:%M:%S.%f}"[:-3],
        request.caller + names,
        f"{request.method} {request.path}".strip() or "(not HTTP)",
        request.version or "-",
        request.token,
        str(request.status or "-"),
        ", ".join(request.faults) or "-",
    )
