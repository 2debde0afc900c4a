"""Clients of the control plane that disturb the data plane: one makes changes, one follows the journal."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES_PER_SECOND: Final = 100


@contextlib.contextmanager
def changes(port: int) -> Iterator[None]:
    """Make changes at a steady rate until the block ends, over one connection.

    Args:
        port: Of the control plane.

    Raises:
        RuntimeError: A change failed, or none was made.
    """
    stopped, made = threading.Event(), []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def work() -> None:
        due = time.monotonic()
        for status in _changes(connection):
            made.append(status)
            due = max(due + 1 / CHANGES_PER_SECOND, time.monotonic())  # late ones are not made up for
            if stopped.wait(max(0.0, due - time.monotonic())):
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        connection.close()
    failed = [status for status in made if status >= http.client.MULTIPLE_CHOICES]
    if failed or not made:
        raise RuntimeError(f"of {len(made)} changes, {len(failed)} failed: {set(failed)}")


def _changes(connection: http.client.HTTPConnection) -> Iterator[int]:
    """The changes of a busy test: arm and remove an event, set a leaf, switch an option; yields their statuses."""

    def call(method: str, path: str, body: object = None) -> tuple[int, bytes]:
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {} if body is None else {"Content-Type": media}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    for number in itertools.count():
        status, received = call("POST", "/v1/events", {"kind": "spot", "in": "1h", "target": f"10.9.8.{number % 4}"})
        yield status
        yield call("PUT", "/v1/metadata/meta-data/bench", {"value": str(number)})[0]
        yield call("PATCH", "/v1/metadata-options", {"http_put_response_hop_limit": number % 2 + 2})[0]
        yield call("DELETE", f"/v1/events/{json.loads(received)['id']}")[0]


@contextlib.contextmanager
def follower(port: int, path: str) -> Iterator[None]:
    """Follow the journal until the block ends.

    Args:
        port: Of the control plane.
        path: Of the stream of requests.

    Raises:
        RuntimeError: No request was received.
    """
    received = []
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        client.recv(65536)

        def read() -> None:
            # If the end finds more data on its way, the connection is reset.
            with contextlib.suppress(ConnectionResetError):
                while part := client.recv(65536):
                    received.append(b"data:" in part)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            client.shutdown(socket.SHUT_RDWR)
            thread.join()
    if not any(received):
        raise RuntimeError(f"{path} sent no request")
