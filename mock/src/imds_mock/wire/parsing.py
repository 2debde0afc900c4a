"""Bytes of one connection to requests, over httptools (llhttp, the parser of Node.js).

A request counts as received when its head is: the service has no use for a body, and several clients announce one that
never comes (s3fs sends `Expect`, others a chunked PUT). What follows of a body is parsed and dropped. Only ECS's agent
takes bodies, and then a request is received when its body is.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Final, NoReturn, cast
from urllib.parse import unquote

import httptools
from msgspec.structs import replace

from imds_mock.service.messages import Request, agent_at, agent_of, takes_body, wants_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

# Parsing from a message boundary depends on the bytes alone, and clients repeat themselves byte for byte.
# A parsed request takes up to ten times its bytes, and a short one at least a few hundred.
_MEMO_BYTES: Final = 128 * 1024
_MEMO_REQUEST_BYTES: Final = 1024
_MEMO_ENTRY_BYTES: Final = 256

BAD_REQUEST: Final = 400
CONTENT_TOO_LARGE: Final = 413
TARGET_TOO_LONG: Final = 414
HEADERS_TOO_LARGE: Final = 431


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may measure.

    Attributes:
        target_bytes: Request target; beyond it 414.
        head_bytes: Request line and headers together; beyond it 431.
        headers: Number of header lines; beyond it 431.
        body_bytes: Body, which nothing reads; beyond it 413, or the end of the connection if it was not announced.
    """

    target_bytes: int = 8 * 1024
    head_bytes: int = 16 * 1024
    headers: int = 100
    body_bytes: int = 64 * 1024


class ParseCache:
    """Remembers how byte strings parsed; bounded, and shared by the connections of one listener.

    Args:
        any_host: Whether the agents of containers have their paths whatever the `Host` is. What was parsed by that is
            not remembered.
    """

    __slots__ = ("_bytes", "_known", "any_host", "get")

    def __init__(self, any_host: Callable[[], bool] = lambda: False) -> None:
        self._bytes = 0
        self._known: dict[bytes, tuple[Request, ...]] = {}
        self.get = self._known.get
        self.any_host = any_host

    def keep(self, data: bytes, requests: tuple[Request, ...]) -> None:
        """Remember the requests that a byte string holds, if it is short."""
        if len(data) > _MEMO_REQUEST_BYTES:
            return
        size = len(data) + _MEMO_ENTRY_BYTES
        self._bytes += size
        if self._bytes > _MEMO_BYTES:
            self._known.clear()
            self._bytes = size
        self._known[data] = requests


class _RefusedError(Exception):
    """Stops the parser from within one of its callbacks."""


class RequestParser:
    """Parser of one connection.

    Args:
        limits: What a request may measure.
        parse_cache: What was parsed before, shared with other connections.

    Attributes:
        failure: Status to refuse the rest of the connection with; None while all is well.
        at_boundary: Nothing of a further request has arrived.
        in_body: A request has been given out whose body is still to come.
    """

    __slots__ = (
        "_awaiting_body",
        "_body",
        "_body_bytes",
        "_cache",
        "_depends",
        "_fields",
        "_head_bytes",
        "_header_count",
        "_limits",
        "_parser",
        "_received",
        "_requests",
        "_target",
        "at_boundary",
        "failure",
        "in_body",
    )  # fmt: skip

    # Set when bytes are parsed or a message begins: most connections bring bytes that are known, and parse nothing.
    _requests: list[Request]
    _depends: bool  # on more than its head
    _target: bytes
    _fields: dict[str, str]
    _header_count: int
    _head_bytes: int
    _received: int
    _body_bytes: int

    def __init__(self, limits: Limits, parse_cache: ParseCache) -> None:
        self._limits = limits
        self._cache = parse_cache
        self._parser: httptools.HttpRequestParser | None = None
        self._awaiting_body: Request | None = None
        self._body = b""
        self.failure: int | None = None
        self.at_boundary = True
        self.in_body = False

    def feed(self, data: bytes) -> tuple[Request, ...]:
        """Take bytes and give the requests whose heads they complete. Never raises: see `failure`."""
        from_boundary = self.at_boundary
        if from_boundary:
            known = self._cache.get(data)
            if known is not None:
                return known
        self._requests = []
        self._depends = False
        self._execute(data)
        requests = tuple(self._requests)
        if from_boundary and self.at_boundary and requests and self.failure is None and not self._depends:
            self._cache.keep(data, requests)
        return requests

    def close(self) -> None:
        """Let go of the parser, which refers back to this object."""
        self._parser = None

    def _execute(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # CONNECT, or an offer of another protocol, which is declined by answering: the connection ends after that.
            return
        except httptools.HttpParserError:
            self.failure = self.failure or BAD_REQUEST
            return
        if not self.at_boundary and not self.in_body and self._awaiting_body is None:
            # A line that has not ended yet has reached no callback.
            self._received += len(data)
            if self._received > self._limits.head_bytes:
                self.failure = HEADERS_TOO_LARGE

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self.at_boundary = False
        self._target = b""
        self._fields = {}
        self._header_count = self._head_bytes = self._received = self._body_bytes = 0

    def on_url(self, part: bytes) -> None:
        """Called by the parser, once for each piece of the target that arrives."""
        self._target += part
        if len(self._target) > self._limits.target_bytes:
            self._refuse(TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for trailers as well."""
        self._header_count += 1
        self._head_bytes += len(name) + len(value)
        if self._header_count > self._limits.headers or self._head_bytes > self._limits.head_bytes:
            self._refuse(HEADERS_TOO_LARGE)
        # White space around a value is no part of it (RFC 9110 5.5); the parser leaves what follows.
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        known = self._fields.get(key)
        self._fields[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        parser, fields = cast("httptools.HttpRequestParser", self._parser), self._fields
        if int(fields.get("content-length", 0)) > self._limits.body_bytes:
            self._refuse(CONTENT_TOO_LARGE)
        target = self._target.decode("latin-1").partition("?")[0].partition("#")[0]
        path, trailing_slash = _normalise(target)
        if path == target:
            path = target  # one text in memory, for as long as the journal keeps both
        wanted = fields.get("connection", "").lower()
        wants = {token.strip() for token in wanted.split(",")} if "," in wanted else {wanted.strip()}
        agent = agent_of(fields.get("host", ""))
        if not agent and (agent_by_path := agent_at(path)):
            self._depends = True
            agent = agent_by_path if self._cache.any_host() else ""
        keep_alive = (
            ("keep-alive" in wants or agent != "")
            and "close" not in wants
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
        )
        method = intern(parser.get_method().decode("ascii"))
        waits = wants_credentials(path, agent)
        request = Request(method, target, path, trailing_slash, fields, keep_alive, agent, wants_credentials=waits)
        # Trailers are headers of nothing.
        self._fields = {}
        if agent and takes_body(method, path, agent):
            self._awaiting_body = request
            self._depends = True
        else:
            self._requests.append(request)
            self.in_body = True

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self._body_bytes += len(part)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse(CONTENT_TOO_LARGE)
        if self._awaiting_body is not None:
            self._body += part

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._awaiting_body is not None:
            self._requests.append(replace(self._awaiting_body, body=self._body))
            self._awaiting_body, self._body = None, b""
        self.in_body = False
        self.at_boundary = True

    def _refuse(self, status: int) -> NoReturn:
        self.failure = status
        raise _RefusedError


def _normalise(target: str) -> tuple[str, bool]:
    if "://" in target and not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    if "%" in target:
        target = unquote(target)
    if not target.startswith("/"):
        return target, False
    return "/" + "/".join(part for part in target.split("/") if part), target.endswith("/")
