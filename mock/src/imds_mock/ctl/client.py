"""The control plane's client: HTTP over a Unix socket or TCP, by the standard library alone, so that it starts fast."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from imds_mock.control_socket import DEFAULT_PORT, connect, find
from imds_mock.ctl.output import print_warning
from imds_mock.errors import EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, MockError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TIMEOUT_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 60.0  # a stream has a line every 15 s, even if there is nothing new
_JSON: Final = "application/json"


class UnreachableError(MockError):
    """No control plane answers."""

    exit_code = EX_UNAVAILABLE


class RefusedError(MockError):
    """The control plane did not do it; its own words say why."""

    exit_code = EX_DATAERR


class AddressError(MockError):
    """What was given as the control plane's address is none."""

    exit_code = EX_USAGE


class ArgumentError(MockError):
    """What was given cannot be sent."""

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
        token: Bearer token, where one is needed.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
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
            path: Path, its parts quoted already.
            body: What is sent as JSON; None sends none.
            query: Query parameters; those that are None are left out.
            media: Content type of the body.

        Returns:
            The answer, read from JSON; None when there is none.

        Raises:
            UnreachableError: Nobody answers.
            RefusedError: The answer is a problem.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        content = None if body is None else json.dumps(body).encode()
        headers = self._headers if content is None else {**self._headers, "Content-Type": media}
        connection = self._connect()
        try:
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            received = answer.read()
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()
        if answer.status >= 400:  # noqa: PLR2004 - an error by definition
            raise _refused(answer.status, received)
        for note in answer.headers.get_all("Imds-Mock-Note") or ():
            print_warning(note)
        return json.loads(received) if received else None

    def stream(self, path: str, query: Mapping[str, Any]) -> Iterator[Any]:
        """Follow server-sent events, until the other side ends.

        Args:
            path: Path of the stream.
            query: Query parameters; those that are None are left out.

        Yields:
            The data of each event, read from JSON.

        Raises:
            UnreachableError: Nobody answers, or not any more.
            RefusedError: The answer is a problem.
        """
        given = {name: value for name, value in query.items() if value is not None}
        connection = self._connect()
        try:
            connection.request("GET", f"{path}?{urlencode(given)}" if given else path, headers=self._headers)
            answer = connection.getresponse()
            if answer.status >= 400:  # noqa: PLR2004 - an error by definition
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
            raise AddressError(
                f"expected unix:/path or http://HOST:PORT as the control plane's address, got {self.url!r}"
            )
        try:
            return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
        except http.client.InvalidURL as error:
            raise AddressError(
                f"expected unix:/path or http://HOST:PORT as the control plane's address, got {self.url!r}"
            ) from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = (isinstance(error, OSError) and error.strerror) or error
        return UnreachableError(
            f"no control plane answers at {self.url} ({reason}); is imds-mock running, with --control on? "
            "--url says where"
        )


def default_url(environ: Mapping[str, str]) -> str:
    """Where the control plane is, when nobody said: the one Unix socket that answers, else port 1339 on loopback.

    Args:
        environ: Environment variables.

    Raises:
        AddressError: Several mocks run here.
    """
    sockets = find(environ)
    if len(sockets) > 1:
        listed = ", ".join(f"unix:{path}" for path in sockets)
        raise AddressError(f"several mocks run here; choose one with --url: {listed}")
    return f"unix:{sockets[0]}" if sockets else f"http://127.0.0.1:{DEFAULT_PORT}"


def segment(text: str) -> str:
    """Quote one part of a path."""
    return quote(text, safe="")


def _refused(status: int, received: bytes) -> RefusedError:
    try:
        problem = json.loads(received)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"answered with status {status}; is it imds-mock's control plane?"
    return RefusedError(detail)
