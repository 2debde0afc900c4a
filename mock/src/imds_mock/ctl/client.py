"""The control plane's client: HTTP over a Unix socket or TCP, by the standard library alone to start fast."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from imds_mock.control_socket import DEFAULT_PORT, connect, find
from imds_mock.ctl.output import print_warning
from imds_mock.errors import EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, MockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_TIMEOUT_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 60.0  # a stream sends a line at least every 15 s
_JSON: Final = "application/json"
_EVENT_STREAM: Final = "text/event-stream"


class UnreachableError(MockError):
    """No control plane answers at the address."""

    exit_code = EX_UNAVAILABLE


class RefusedError(MockError):
    """The control plane refused the call; the message is its own.

    Args:
        detail: The message.
        status: HTTP status code of the response.
    """

    exit_code = EX_DATAERR

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status


class AddressError(MockError):
    """The control plane's address is invalid, or several mocks run and none is selected."""

    exit_code = EX_USAGE


class ArgumentError(MockError):
    """An argument is invalid."""

    exit_code = EX_USAGE


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = connect(self._path, _TIMEOUT_SECONDS)


class Client:
    """Calls the control plane.

    Args:
        url: `unix:/path` or `http://HOST:PORT`.
        token: Bearer token, if the control plane needs one.
        on_note: Called with each note of the control plane.
    """

    def __init__(self, url: str, token: str | None = None, on_note: Callable[[str], object] = print_warning) -> None:
        self.url = url
        self._on_note = on_note
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        media: str = _JSON,
    ) -> Any:
        """Call an operation.

        Args:
            method: HTTP method.
            path: Path with quoted parts.
            body: Body, sent as JSON; None sends no body.
            query: Query parameters; None values are omitted.
            media: Content type of the body.

        Returns:
            The response, read from JSON; None if it is empty.

        Raises:
            UnreachableError: No control plane answers.
            RefusedError: The response is an error.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = self._headers if content is None else {**self._headers, "Content-Type": media}
        connection = self._connect()
        try:
            connection.request(method, _target(path, query or {}), content, headers)
            answer = connection.getresponse()
            received = answer.read()
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()
        if answer.status >= 400:  # noqa: PLR2004 - an error by definition
            raise _refused(answer.status, received)
        for note in answer.headers.get_all("Imds-Mock-Note") or ():
            self._on_note(note)
        try:
            return json.loads(received) if received else None
        except ValueError as error:
            raise _refused(answer.status, received) from error

    def stream(self, path: str, query: Mapping[str, Any]) -> Iterator[Any]:
        """Follow server-sent events until the control plane closes the stream.

        Args:
            path: Path of the stream.
            query: Query parameters; None values are omitted.

        Yields:
            The data of each event, read from JSON.

        Raises:
            UnreachableError: No control plane answers, or the connection is lost.
            RefusedError: The response is an error.
        """
        connection = self._connect()
        try:
            connection.request("GET", _target(path, query), headers=self._headers)
            answer = connection.getresponse()
            if answer.headers.get_content_type() != _EVENT_STREAM:
                raise _refused(answer.status, answer.read())
            if connection.sock is not None:
                connection.sock.settimeout(_SILENCE_SECONDS)
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self.url.startswith("unix:"):
            path = self.url.removeprefix("unix:")
            return _UnixConnection(path.removeprefix("//") if path.startswith("///") else path)
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port or DEFAULT_PORT
        except ValueError:
            host = None
        if host is None or parts.scheme != "http":
            raise self._invalid()
        try:
            return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
        except http.client.InvalidURL as error:
            raise self._invalid() from error

    def _invalid(self) -> AddressError:
        from imds_mock.violations.words import shown  # noqa: PLC0415 - only a mistake needs it

        return AddressError(f"control plane address: expected unix:/path or http://HOST:PORT, got {shown(self.url)}")

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = (isinstance(error, OSError) and error.strerror) or error
        return UnreachableError(
            f"no control plane answers at {self.url} ({reason}); start imds-mock with --control on, or set --url"
        )


def default_url(environ: Mapping[str, str]) -> str:
    """The control plane's address if none is given: the Unix socket that answers, else port 1339 on loopback.

    Args:
        environ: Environment variables.

    Raises:
        AddressError: Several sockets answer.
    """
    sockets = find(environ)
    if len(sockets) > 1:
        listed = ", ".join(f"unix:{path}" for path in sockets)
        raise AddressError(f"several mocks are running; select one with --url: {listed}")
    return f"unix:{sockets[0]}" if sockets else f"http://127.0.0.1:{DEFAULT_PORT}"


def segment(text: str) -> str:
    """One part of a path, quoted."""
    return quote(text, safe="")


def _target(path: str, query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _refused(status: int, received: bytes) -> RefusedError:
    try:
        problem = json.loads(received)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"unexpected response with status {status}; check that --url is the control plane of an imds-mock"
    return RefusedError(detail, status)
