"""A whole mock without sockets: tests call both planes as functions, and its log is kept."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from imds_mock import Dependencies, Mock
from imds_mock.control.app import build, operations
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Request
from support.callers import FakeNetwork
from support.mockcontrol import NAMES, Reply
from support.mockserver import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.service.messages import Response
    from imds_mock.signing.signer import Signer


class HeldMock:
    """A mock that does not listen.

    Args:
        signer: What signs the identity document.
        document: The configuration.

    Attributes:
        said: What it logs because of callers.
        operations: The operations of its API.
    """

    def __init__(self, signer: Signer, document: Mapping[str, Any] | None = None) -> None:
        self.said: list[str] = []
        self.clock = Clock()
        self._mock = Mock(
            document,
            dependencies=Dependencies(
                clock=self.clock,
                log_limited=self.said.append,
                callers=FakeNetwork(hosts=dict(NAMES)).registry(),
                signer=signer,
                probe_id="0123456789abcdef",
            ),
        )
        self.runtime = self._mock.runtime
        self.operations = operations(self._mock.control_context)
        self._app = build(self._mock.control_context)
        self._loop = asyncio.new_event_loop()

    @property
    def orders(self) -> list[CredentialRequest]:
        """The credentials that it would fetch."""
        return list(self._mock._components.credentials.requests)

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        """Call the control plane without its access check; a body is sent as JSON."""
        path, _, query = path.partition("?")
        headers = [(b"host", b"localhost")]
        if body is not None:
            media = b"application/merge-patch+json" if method == "PATCH" else b"application/json"
            headers.append((b"content-type", media))
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": None,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
        }
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        self._loop.run_until_complete(self._app(scope, receive, send))
        lines = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], lines, b"".join(part.get("body", b"") for part in sent[1:]))

    def get(self, path: str, caller: str = "127.0.0.1", agent: str = "", **headers: str) -> Response:
        """GET a path from the data plane, recorded in the journal."""
        request = Request("GET", path, path.rstrip("/") or "/", path.endswith("/"), headers, agent=agent)

        async def ask() -> Response:
            response = self._mock.respond(request, caller, self.clock())
            for observe in self.runtime.observers:
                observe(self.clock(), Exchange(caller, request, response), 1)
            return response

        # What is observed may start a look-up, which needs the running loop.
        return self._loop.run_until_complete(ask())
