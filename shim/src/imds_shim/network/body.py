"""Reads a response body up to a limit, to probe servers other than imds-mock (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NO_CONTENT, _NOT_MODIFIED = 204, 304


def read_body(
    status: int, headers: Mapping[str, str], received: bytearray, receive: Callable[[], bytes], limit: int
) -> bytes:
    """Return the body, or its first `limit` bytes.

    Args:
        status: the status of a response to GET.
        headers: its headers, with case-insensitive names.
        received: the part of the body that has arrived.
        receive: waits for more; returns b"" after the server has closed the connection.
        limit: in bytes.

    Raises:
        ValueError: a length is not a number.
    """
    if status in (_NO_CONTENT, _NOT_MODIFIED):
        return b""
    coded = headers.get("Transfer-Encoding", "").lower()
    if coded.rpartition(",")[2].strip() == "chunked":
        return _chunks(received, receive, limit)[:limit]
    length = headers.get("Content-Length")
    if length is not None:
        limit = min(limit, _number(length, 10))
    _fill(received, receive, limit)
    return bytes(received[:limit])


def _chunks(received: bytearray, receive: Callable[[], bytes], limit: int) -> bytes:
    body = bytearray()
    while len(body) < limit:
        while b"\r\n" not in received and len(received) < limit:
            if not _fill(received, receive, len(received) + 1):
                return bytes(body)
        line, _, rest = bytes(received).partition(b"\r\n")
        size = _number(line.partition(b";")[0].decode("latin-1").strip(), 16)
        received[:] = rest
        if size == 0:
            break
        _fill(received, receive, min(size, limit) + 2)
        body += received[:size]
        del received[: size + 2]
    return bytes(body)


def _fill(received: bytearray, receive: Callable[[], bytes], size: int) -> bool:
    """Wait until `size` bytes have arrived; False if the connection ends earlier."""
    while len(received) < size:
        chunk = receive()
        if not chunk:
            return False
        received += chunk
    return True


def _number(text: str, base: int) -> int:
    # int() also accepts signs, whitespace and underscores.
    if text.isalnum():
        with contextlib.suppress(ValueError):
            return int(text, base)
    raise ValueError(f"the length of its body is {text[:20]!r}")
