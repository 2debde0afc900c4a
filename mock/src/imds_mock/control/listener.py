"""The control plane's listeners: a Unix socket and a TCP port, served by uvicorn on the data plane's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from uvicorn.config import Config
from uvicorn.server import Server

from imds_mock.callers.kernel import GatewayCache, Kernel, published_port_peers
from imds_mock.control.acceptor import Acceptor, RateLimiter
from imds_mock.control.access import AccessGuard
from imds_mock.control.app import build
from imds_mock.control.connection_slots import ConnectionSlots
from imds_mock.control.limited_protocol import LimitedProtocol
from imds_mock.control.ui.routes import is_page

if TYPE_CHECKING:
    import socket
    from asyncio import Protocol
    from collections.abc import Callable, Iterator, Sequence

    from imds_mock.config.settings import ControlSettings
    from imds_mock.control.context import ControlContext

_PROC_NET: Final = Path("/proc/net")
_PODMAN_MARK: Final = Path("/run/.containerenv")
_BACKLOG: Final = 64
_STOP_SECONDS: Final = 2


class _Config(Config):
    """uvicorn's configuration, without its changes to the loggers of the process."""

    def configure_logging(self) -> None:
        """Leave logging to the process."""


class _Server(Server):
    """uvicorn's server, without its signal handlers.

    Args:
        config: uvicorn's configuration.
        make_acceptor: Makes the acceptor for a protocol factory; None lets uvicorn accept the connections.
    """

    def __init__(self, config: Config, make_acceptor: Callable[[Callable[[], Protocol]], Acceptor] | None) -> None:
        super().__init__(config)
        self._make_acceptor = make_acceptor
        self._acceptor: Acceptor | None = None
        self._stopped = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        if self._make_acceptor is not None:
            self._acceptor = self._make_acceptor(self._protocol)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, and close the open ones."""
        if self._acceptor is not None:
            self._acceptor.close()
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()

    async def main_loop(self) -> None:
        """Serve until `stop`."""
        seconds = 0
        # uvicorn counts in tenths of a second and updates the `Date` header at multiples of ten.
        while not await self.on_tick(10 * seconds):
            seconds += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stopped.wait()

    def stop(self) -> None:
        """Stop serving soon."""
        self.should_exit = True
        self._stopped.set()

    def _protocol(self) -> Protocol:
        make = cast("Callable[..., Protocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


class ControlPlane:
    """The running control plane.

    Args:
        context: What its operations use.
        settings: Who has access.
        connections: How many connections each of the two listeners may have.
    """

    def __init__(self, context: ControlContext, settings: ControlSettings, connections: int) -> None:
        self._app = build(context)
        self._context = context
        self._settings = settings
        self._connections = connections
        self._servers: list[_Server] = []

    async def serve(self, local: Sequence[socket.socket], network: Sequence[socket.socket]) -> None:
        """Serve until `stop`.

        Args:
            local: Listening Unix sockets.
            network: Listening TCP sockets.
        """
        runs = []
        rates = RateLimiter(asyncio.get_running_loop().time)
        for sockets, is_local in ((local, True), (network, False)):
            if sockets:
                guard = self._guard(is_local=is_local)
                slots = ConnectionSlots(self._connections, None if is_local else guard.has_priority, rates.exempt)
                make_acceptor = None if is_local else partial(Acceptor, sockets, guard.has_priority, rates)
                server = _Server(self._config(guard, slots), make_acceptor)
                self._servers.append(server)
                runs.append(server.serve(list(sockets) if is_local else []))
        await asyncio.gather(*runs)

    def stop(self) -> None:
        """End live streams and stop serving."""
        self._context.closing.set()
        for server in self._servers:
            server.stop()

    def _guard(self, *, is_local: bool) -> AccessGuard:
        settings = self._settings
        return AccessGuard(
            self._app,
            GatewayCache(_published_port_peers, time.monotonic) if settings.trust_gateway else None,
            settings.token,
            settings.allowed_hosts,
            is_local=is_local,
            is_public=is_page,
        )

    def _config(self, guard: AccessGuard, slots: ConnectionSlots) -> Config:
        return _Config(
            guard,
            # uvicorn only calls it, as it would a class.
            http=cast("type[LimitedProtocol]", partial(LimitedProtocol, guard=guard, slots=slots)),
            ws="none",
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )


def _published_port_peers() -> frozenset[str]:
    with contextlib.closing(Kernel()) as kernel:
        return published_port_peers(_PROC_NET, _PODMAN_MARK, kernel.own_addresses)
