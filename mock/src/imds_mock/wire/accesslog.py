"""The access log: one line for each request, never a token, a secret or a query.

Text: `2026-01-02T03:04:05.678Z 172.18.0.3 GET /latest/meta-data/instance-id 200 v2 85`, the last figure in
microseconds; a word follows when the answer was kept back (`stall`), the connection reset (`reset`) or the client gone
before its answer (`abandoned`). What did not parse as a request has `-` in the place of
method, path and version. JSON has the same under names.

Lines are gathered for a few milliseconds and written together: one system call a request would cost more than the
answer. Nobody waits for the log: what its reader does not take is kept up to a bound and then counted as lost, and what
cannot be written at all (a closed pipe, a full disk) is lost.
"""

from __future__ import annotations

import os
import re
import select
import stat
import time
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.service.messages import TOKEN_HEADER, Delivery

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from imds_mock.service.messages import Request, Response

GATHER_SECONDS: Final = 0.02
MAX_WAITING_BYTES: Final = 1024 * 1024

_SEND: Final = Delivery.SEND  # an attribute of an enumeration is slow to get before Python 3.12
_LOST: Final = {"text": "- %d lines of the access log are lost, nobody read them\n", "json": '{"lost":%d}\n'}
_MAX_PATH: Final = 1024
_UNSAFE: Final = re.compile(r"[^!-\[\]-~]")  # anything but printable ASCII without space and backslash


class Outlet:
    """A file descriptor that is written to without waiting for whoever reads it.

    A pipe that `poll` calls writable takes this much at once (pipe(7), PIPE_BUF), and a file takes everything. Making
    the descriptor non-blocking instead would do so for every program that shares it.

    Args:
        descriptor: Open file descriptor; stays open.
    """

    __slots__ = ("_descriptor", "_piece", "_poll")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._piece = MAX_WAITING_BYTES if stat.S_ISREG(os.fstat(descriptor).st_mode) else select.PIPE_BUF
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, data: bytes, patience_seconds: float = 0) -> bytes:
        """Write what is taken.

        Args:
            data: What to write.
            patience_seconds: How long to wait for the reader, each time that he does not take more.

        Returns:
            What is left; nothing if the descriptor cannot be written to any more.
        """
        left = memoryview(data)
        try:
            while left and self._poll.poll(patience_seconds * 1000):
                left = left[os.write(self._descriptor, left[: self._piece]) :]
        except OSError:
            return b""
        return bytes(left)


class AccessLog:
    """Writes one line for each answer that counts.

    Args:
        outlet: Where lines are written to.
        form: `text` or `json`.
        loop: Event loop that says when gathered lines are written.
    """

    def __init__(self, outlet: Outlet, form: str, loop: AbstractEventLoop) -> None:
        self._outlet = outlet
        self._write: Callable[[str, str, Response, int], str] = self._json if form == "json" else self._text
        self._loop = loop
        self._lines: list[str] = []
        self._waiting = b""
        self._lost = 0
        self._lost_notice = _LOST[form]
        self._second = -1
        self._second_text = ""
        # Requests that are alike byte for byte are one object here, and clients that poll send nothing else.
        self._request: Request | None = None
        self._described = _describe(None)

    def record(self, now: float, caller: str, request: Request | None, response: Response, microseconds: int) -> None:
        """Note an answer.

        Args:
            now: Wall-clock time of the request in seconds since the epoch.
            caller: Address of the peer.
            request: The request, None for bytes that were none.
            response: What it was answered with.
            microseconds: From receiving to writing.
        """
        if not response.counted:
            return
        if not self._lines:
            self._loop.call_later(GATHER_SECONDS, self.flush)
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        if request is not self._request:
            self._request = request
            self._described = _describe(request)
        moment = f"{self._second_text}{int((now - second) * 1000):03}Z"
        self._lines.append(self._write(moment, caller, response, microseconds))

    def flush(self) -> None:
        """Write what was gathered, as far as it is taken."""
        self._write_out(0)
        if self._waiting:
            self._loop.call_later(GATHER_SECONDS, self.flush)

    def close(self, patience_seconds: float) -> None:
        """Write what was gathered and, within some patience, what is still waiting."""
        self._write_out(patience_seconds)

    def _write_out(self, patience_seconds: float) -> None:
        if len(self._waiting) < MAX_WAITING_BYTES:
            notice = self._lost_notice % self._lost if self._lost else ""
            self._waiting += (notice + "".join(self._lines)).encode("ascii")
            self._lost = 0
        else:
            self._lost += len(self._lines)
        self._lines = []
        self._waiting = self._outlet.write(self._waiting, patience_seconds)

    def _text(self, moment: str, caller: str, response: Response, microseconds: int) -> str:
        method, path, version = self._described
        kept = "" if response.delivery is _SEND else f" {response.delivery.value}"
        return f"{moment} {caller} {method} {path} {response.head.status} {version} {microseconds}{kept}\n"

    def _json(self, moment: str, caller: str, response: Response, microseconds: int) -> str:
        method, path, version = self._described
        line = {
            "time": moment,
            "caller": caller,
            "method": method,
            "path": path,
            "status": response.head.status,
            "version": version,
            "microseconds": microseconds,
        }
        if response.delivery is not _SEND:
            line["delivery"] = response.delivery.value
        return msgspec.json.encode(line).decode("ascii") + "\n"


def _describe(request: Request | None) -> tuple[str, str, str]:
    if request is None:
        return "-", "-", "-"
    path = request.target
    if len(path) > _MAX_PATH or _UNSAFE.search(path):
        path = _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", path[:_MAX_PATH]) or "-"
    version = request.agent or ("v2" if request.method == "PUT" or TOKEN_HEADER in request.headers else "v1")
    return request.method, path or "-", version
