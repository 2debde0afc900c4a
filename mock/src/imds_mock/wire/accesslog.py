"""The access log: one line for each request, without tokens, secrets and queries.

Text: `2026-01-02T03:04:05.678Z 172.18.0.3 GET /latest/meta-data/instance-id 200 v2 85`, where the last number is in
microseconds. A further word says that a response was withheld (`stall`), that the connection was reset (`reset`), or
that the client gave up before its response (`abandoned`). Bytes that could not be parsed have `-` for method, path and
version. JSON has the same values under names.

Lines are collected for 50 ms and written together, because a system call for each request would cost more than the
response. Writing never waits for a reader or a disk (see `imds_mock.log`).
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from math import floor
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.errors import LogFileError
from imds_mock.log import LOST_JSON, Outlet
from imds_mock.service.messages import TOKEN_HEADER, Delivery

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from contextlib import ExitStack

    from imds_mock.config.settings import ServerSettings
    from imds_mock.service.exchange import Exchange
    from imds_mock.service.messages import Request

_FILE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_FILE_MODE: Final = 0o640
GATHER_SECONDS: Final = 0.05

_SEND: Final = Delivery.SEND  # an attribute of an enumeration is slow to get before Python 3.12
_MAX_PATH: Final = 1024
_UNSAFE: Final = re.compile(r"[^!-\[\]-~]")  # anything but printable ASCII without space and backslash


class AccessLog:
    """Writes one line for each response that counts as a metadata call.

    Args:
        outlet: Where lines are written.
        form: `text` or `json`.
        loop: Event loop, which times the writing.
    """

    def __init__(self, outlet: Outlet, form: str, loop: AbstractEventLoop) -> None:
        self._outlet = outlet
        if form == "json":
            outlet.lost_notice = LOST_JSON
        self._begin, self._describe = ('{"time":"', _json) if form == "json" else ("", _text)
        self._loop = loop
        self._lines: list[str] = []
        self._moment = ""  # the line up to the time, for any time in this millisecond
        self._from = self._until = 0.0

    def record(self, now: float, exchange: Exchange, microseconds: int) -> None:
        """Record a response.

        Args:
            now: Wall-clock time of the request in seconds since the epoch.
            exchange: The request and the response to it.
            microseconds: From receiving the request to sending the response.
        """
        line = exchange.line
        if line is None:
            if not exchange.response.counted:
                return
            line = exchange.line = self._describe(exchange)
        if not self._from <= now < self._until:
            millisecond = floor(now * 1000)
            self._from, self._until = millisecond / 1000, (millisecond + 1) / 1000
            self._moment = self._begin + _format_time(millisecond)
        lines = self._lines
        if not lines:
            self._loop.call_later(GATHER_SECONDS, self.flush)
        before, after = line
        lines.append(f"{self._moment}{before}{microseconds}{after}")

    def flush(self) -> None:
        """Write the collected lines."""
        if self._lines:
            self._outlet.write("".join(self._lines))
            self._lines = []


def _format_time(millisecond: int) -> str:
    second, rest = divmod(millisecond, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest:03}Z"


def _text(exchange: Exchange) -> tuple[str, str]:
    """The parts of a line after the time, before and after the duration."""
    method, path, version = _describe(exchange.request)
    response = exchange.response
    kept = "" if response.delivery is _SEND else f" {response.delivery.value}"
    return f" {exchange.caller} {method} {path} {response.head.status} {version} ", f"{kept}\n"


def _json(exchange: Exchange) -> tuple[str, str]:
    """The same for a line of JSON."""
    method, path, version = _describe(exchange.request)
    response = exchange.response
    known = {
        "caller": exchange.caller,
        "method": method,
        "path": path,
        "status": response.head.status,
        "version": version,
    }
    fields = msgspec.json.encode(known).decode("ascii")
    kept = "" if response.delivery is _SEND else f',"delivery":"{response.delivery.value}"'
    return f'",{fields[1:-1]},"microseconds":', f"{kept}}}\n"


def _describe(request: Request | None) -> tuple[str, str, str]:
    if request is None:
        return "-", "-", "-"
    path = request.target
    if len(path) > _MAX_PATH or _UNSAFE.search(path):
        path = _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", path[:_MAX_PATH]) or "-"
    version = request.agent or ("v2" if request.method == "PUT" or TOKEN_HEADER in request.headers else "v1")
    return request.method, path or "-", version


def open_access_log(settings: ServerSettings, default: Outlet | None, resources: ExitStack) -> AccessLog | None:
    """The access log that the settings ask for, on the running event loop; None if there is none.

    Args:
        settings: The section `server`.
        default: Receives the lines if no file is configured; None writes none.
        resources: Closes the file.

    Raises:
        LogFileError: The configured file cannot be written.
    """
    if settings.access_log == "off":
        return None
    outlet = default
    if settings.access_log_file is not None:
        try:
            # Opening a FIFO that nothing reads would block the start; with O_NONBLOCK it fails.
            descriptor = os.open(settings.access_log_file, _FILE_FLAGS | os.O_NONBLOCK, _FILE_MODE)
            os.set_blocking(descriptor, True)
            outlet = Outlet(descriptor)
        except OSError as error:
            raise LogFileError(settings.access_log_file, error) from error
        resources.callback(outlet.close_file)
    return None if outlet is None else AccessLog(outlet, settings.access_log, asyncio.get_running_loop())
