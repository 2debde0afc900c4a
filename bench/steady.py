"""A steady load far below a server's limit, and the share of a processor that the server uses under it.

What a client of the control plane costs is a fixed share of a processor for each second in which it reads the journal.
Beside a load that fills the processors, the client would slow the load generator, too, and the mock waits for that one.
"""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING, Final

from wrk import processor_seconds

if TYPE_CHECKING:
    from wrk import Server

REQUESTS_PER_SECOND: Final = 2000
"""More than a batch of the journal's stream can have, so that each batch is full."""
SECONDS: Final = 4
"""Twice the longest pause between two requests of the page."""


def processor_share(server: Server, path: str) -> float:
    """Send requests at a steady rate over one connection.

    Args:
        server: The server.
        path: Request path.

    Returns:
        The server's processor time for each second.

    Raises:
        RuntimeError: A response has another status than 200, or the load could not be kept up.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    before, began = processor_seconds(server.process_id), time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - began) < SECONDS:
        if sent >= elapsed * REQUESTS_PER_SECOND:
            time.sleep(1 / REQUESTS_PER_SECOND)
            continue
        connection.request("GET", path, headers={"Connection": "keep-alive"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the server answered {answer.status}")
        sent += 1
    connection.close()
    if sent < elapsed * REQUESTS_PER_SECOND * 0.9:
        raise RuntimeError(f"the load generator sent only {sent / elapsed:.0f} requests per second")
    return (processor_seconds(server.process_id) - before) / elapsed
