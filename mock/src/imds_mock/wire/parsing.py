"""Parses the bytes of one connection into requests, with httptools (llhttp, the parser of Node.js).

A request is complete when its headers are: the service does not need the body, and several clients announce a body that
never comes (s3fs sends `Expect`, others a chunked PUT). A body that follows is parsed and dropped. Only the ECS agent
reads bodies; a request for it is complete when its body is.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Final, NoReturn, cast
from urllib.parse import unquote

import httptools
from msgspec.structs import replace

from imds_mock.records import Record
from imds_mock.service.messages import READ_HEADERS, Request, agent_at, agent_of, takes_body, wants_credentials
from imds_mock.service.messages import USER_AGENT_HEADER as USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable

# Bytes that begin at a message boundary always parse the same, and clients repeat themselves byte for byte.
_CACHE_BYTES: Final = 32 * 1024
_CACHED_REQUEST_BYTES: Final = 1024
_ENTRY_BYTES: Final = 256  # what the shortest cached request takes
_MAX_USER_AGENT: Final = 256

BAD_REQUEST: Final = 400
CONTENT_TOO_LARGE: Final = 413
TARGET_TOO_LONG: Final = 414
HEADERS_TOO_LARGE: Final = 431


class Limits(Record, frozen=True):
    """The limits of a request; one that exceeds them gets the status given here.

    Attributes:
        target_bytes: Request target (414).
        head_bytes: Request line and headers together (431).
        headers: Number of header lines (431).
        body_bytes: Body, which is dropped (413; the connection closes if the length was not announced).
    """

    target_bytes: int = 8 * 1024
    head_bytes: int = 16 * 1024
    headers: int = 100
    body_bytes: int = 64 * 1024


class ParseCache:
    """Maps bytes to the requests that they parse to; bounded, and shared by the connections of one listener.

    Args:
        any_host: Whether the container agents answer at their paths for any `Host`. Requests that depend on it are not
            cached.
    """

    __slots__ = ("_bytes", "_known", "any_host", "get")

    def __init__(self, any_host: Callable[[], bool] = lambda: False) -> None:
        self._bytes = 0
        self._known: dict[bytes, tuple[Request, ...]] = {}
        self.get = self._known.get
        self.any_host = any_host

    def add(self, data: bytes, requests: tuple[Request, ...]) -> None:
        """Cache the requests that some bytes parse to, if there are few bytes."""
        if len(data) > _CACHED_REQUEST_BYTES:
            return
        size = len(data) + _ENTRY_BYTES
        self._bytes += size
        if self._bytes > _CACHE_BYTES:
            self._known.clear()
            self._bytes = size
        self._known[data] = requests


class _RefusedError(Exception):
    """Stops the parser from inside one of its callbacks."""


class RequestParser:
    """Parses the bytes of one connection.

    Args:
        limits: The limits of a request.
        cache: What was parsed before, shared with other connections.

    Attributes:
        failure: Status to refuse everything that follows with; None unless parsing has failed.
        at_boundary: No part of a further request has arrived.
        in_body: A request was returned whose body is still arriving.
        is_repeated: The bytes parsed last were in the cache, and are one request.
    """

    __slots__ = ("_awaiting_body", "_body", "_body_bytes", "_cache", "_fields", "_head_bytes", "_header_count",
                 "_is_cacheable", "_limits", "_parser", "_received", "_requests", "_target", "at_boundary", "failure",
                 "in_body", "is_repeated")  # fmt: skip

    # Set when bytes are parsed or a message begins: most connections send cached bytes, and parse nothing.
    _requests: list[Request]
    _is_cacheable: bool
    _target: bytes
    _fields: dict[str, str]
    _header_count: int
    _head_bytes: int
    _received: int
    _body_bytes: int

    def __init__(self, limits: Limits, cache: ParseCache) -> None:
        self._limits = limits
        self._cache = cache
        self._parser: httptools.HttpRequestParser | None = None
        self._awaiting_body: Request | None = None
        self._body = b""
        self.failure: int | None = None
        self.at_boundary = True
        self.in_body = self.is_repeated = False

    def feed(self, data: bytes) -> tuple[Request, ...]:
        """Returns the requests that the bytes complete. Never raises; sets `failure` instead."""
        from_boundary = self.at_boundary
        if from_boundary:
            known = self._cache.get(data)
            if known is not None:
                self.is_repeated = len(known) == 1
                return known
        self.is_repeated = False
        self._requests = []
        self._is_cacheable = True
        self._execute(data)
        requests = tuple(self._requests)
        if from_boundary and self.at_boundary and requests and self.failure is None and self._is_cacheable:
            self._cache.add(data, requests)
        return requests

    def close(self) -> None:
        """Drop the parser, which refers back to this object."""
        self._parser = None

    def _execute(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # CONNECT or an `Upgrade`. A normal response declines it, and the connection closes after that.
            return
        except httptools.HttpParserError:
            self.failure = self.failure or BAD_REQUEST
            return
        if not self.at_boundary and not self.in_body and self._awaiting_body is None:
            # A line that is not complete yet has reached no callback.
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
        """Called by the parser for each piece of the target."""
        self._target += part
        if len(self._target) > self._limits.target_bytes:
            self._refuse(TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, also for trailers."""
        self._header_count += 1
        self._head_bytes += len(name) + len(value)
        if self._header_count > self._limits.headers or self._head_bytes > self._limits.head_bytes:
            self._refuse(HEADERS_TOO_LARGE)
        key = READ_HEADERS.get(name.lower())
        if key is not None:
            # White space around a value does not belong to it (RFC 9110 5.5); the parser strips only what precedes.
            text = value.decode("latin-1").strip(" \t")
            if key is USER_AGENT:
                text = text[:_MAX_USER_AGENT]
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
            path = target  # one string in memory, because the journal keeps both
        wanted = fields.get("connection", "").lower()
        wants = {token.strip() for token in wanted.split(",")} if "," in wanted else {wanted.strip()}
        agent = agent_of(fields.get("host", ""))
        if not agent and (agent_by_path := agent_at(path)):
            self._is_cacheable = False
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
        self._fields = {}  # trailers are dropped
        if agent and takes_body(method, path, agent):
            self._awaiting_body = request
            self._is_cacheable = False
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
