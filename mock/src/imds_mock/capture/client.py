"""Requests to a running metadata service: with a session token if it issues one, within limits of size and time."""

from __future__ import annotations

import http.client
import re
import socket
import time
from typing import NamedTuple
from urllib.parse import quote, urlsplit

MAX_BODY_BYTES = 64 * 1024
MAX_TOTAL_BYTES = 640 * 1024  # a configuration may have 1 MiB
_ATTEMPTS = 3
_TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
_TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
_UNPRINTABLE = re.compile("[^\\t\\n\\r\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd]")
_OK, _UNAUTHORIZED, _FORBIDDEN, _FIRST_SERVER_ERROR = 200, 401, 403, 500
_TOO_MANY_REQUESTS = 429
_LONGEST_SHOWN = 100
_REFUSALS = (_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY_REQUESTS)
_UNAVAILABLE, _DATA_ERROR, _USAGE = 69, 65, 64  # exit codes of sysexits.h


class CaptureError(Exception):
    """A capture that failed, with a sentence for the user.

    Args:
        sentence: What failed, why, and what to do.
        exit_code: What the program ends with.
    """

    def __init__(self, sentence: str, exit_code: int = _UNAVAILABLE) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class Answer(NamedTuple):
    """A response."""

    status: int
    content_type: str
    body: bytes

    @property
    def text(self) -> str | None:
        """The body as text; None if YAML cannot hold it as it is."""
        try:
            text = self.body.decode()
        except UnicodeDecodeError:
            return None
        return None if _UNPRINTABLE.search(text) else text

    @property
    def names(self) -> list[str]:
        """The lines of a listing."""
        return [line for line in self.body.decode("utf-8", "replace").split("\n") if line.strip()]


class Client:
    """A connection to a metadata service.

    Args:
        endpoint: Its address, such as `http://169.254.169.254`.
        timeout_seconds: Time for one request.
        deadline_seconds: Time for all requests together.

    Raises:
        CaptureError: The address is invalid.
    """

    def __init__(self, endpoint: str, timeout_seconds: float = 5.0, deadline_seconds: float = 120.0) -> None:
        self.endpoint = endpoint
        try:
            parts = urlsplit(endpoint)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            parts, host, port = urlsplit(""), None, 80
        if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.username:
            # A variable may hold anything, also a document with secrets.
            beginning = endpoint if len(endpoint) <= _LONGEST_SHOWN else f"{endpoint.splitlines()[0][:20]}..."
            raise CaptureError(f"invalid endpoint {beginning!r}; expected a URL such as http://169.254.169.254", _USAGE)
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
        self._deadline_seconds = deadline_seconds
        self._deadline = time.monotonic() + deadline_seconds
        self._headers: dict[str, str] = {}
        self._received = 0
        self.requires_tokens = False

    def open(self) -> None:
        """Get a session token, or fall back to IMDSv1, and check that a metadata service answers.

        Raises:
            CaptureError: None answers, it is disabled, or it refuses its own token.
        """
        try:
            token = self._request("PUT", "/latest/api/token", _TTL, attempts=1)
        except CaptureError:
            # Beyond the hop limit, the response with the token is lost and IMDSv1 may still answer.
            token = Answer(0, "", b"")
        if token.status == _OK and re.fullmatch(rb"[!-~]+", token.body.strip()):
            self._headers = {_TOKEN_HEADER: token.body.decode().strip()}
        listing = self._request("GET", "/latest/meta-data/", self._headers, attempts=1)
        if listing.status == _FORBIDDEN:
            raise CaptureError(f"{self.endpoint} answers 403: the metadata is disabled; enable its HTTP endpoint first")
        if listing.status == _UNAUTHORIZED:
            reason = (
                "refuses its own session token"
                if self._headers
                else f"requires a session token but does not issue one (status {token.status or 'none'}); increase its "
                "hop limit, or run the capture on the instance itself"
            )
            raise CaptureError(f"{self.endpoint} {reason}")
        if listing.status != _OK or not {"instance-id", "ami-id"}.intersection(listing.names):
            raise CaptureError(
                f"{self.endpoint} is not a metadata service: /latest/meta-data/ answers {listing.status} and does not "
                "list instance-id; check --endpoint"
            )
        without_token = self._request("GET", "/latest/meta-data/", {})
        self.requires_tokens = without_token.status == _UNAUTHORIZED

    def get(self, path: str) -> Answer:
        """GET a path.

        Raises:
            CaptureError: The service does not answer or refuses, or sends more than the limits allow.
        """
        answer = self._request("GET", path, self._headers)
        if answer.status in _REFUSALS or answer.status >= _FIRST_SERVER_ERROR:
            raise CaptureError(f"{self.endpoint} answers {answer.status} for {path}; repeat the capture")
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _request(self, method: str, path: str, headers: dict[str, str], attempts: int = _ATTEMPTS) -> Answer:
        for attempt in range(1, attempts + 1):
            if time.monotonic() > self._deadline:
                raise CaptureError(f"{self.endpoint} took longer than {self._deadline_seconds:.0f} s for all paths")
            try:
                self._connection.request(method, quote(path, safe="/:@=+,"), headers=headers)
                response = self._connection.getresponse()
                body = response.read(MAX_BODY_BYTES + 1)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if attempt == attempts or isinstance(error, (ConnectionRefusedError, socket.gaierror)):
                    raise CaptureError(f"{self.endpoint} does not answer {path}: {_reason(error)}") from error
            else:
                is_busy = response.status >= _FIRST_SERVER_ERROR or response.status == _TOO_MANY_REQUESTS
                if not is_busy or attempt == attempts:
                    break
            time.sleep(0.1 * attempt)
        self._received += len(body)
        if len(body) > MAX_BODY_BYTES or self._received > MAX_TOTAL_BYTES:
            size = f"{path} has more than {MAX_BODY_BYTES // 1024} KiB"
            if len(body) <= MAX_BODY_BYTES:
                size = f"the metadata has more than {MAX_TOTAL_BYTES // 1024} KiB"
            raise CaptureError(f"{size}, more than a configuration can hold", _DATA_ERROR)
        return Answer(response.status, response.headers.get("Content-Type", ""), body)


def _reason(error: Exception) -> str:
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "timed out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
