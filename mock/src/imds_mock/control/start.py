"""How the control plane comes up beside the data plane: its sockets first, its code when the data plane answers."""

from __future__ import annotations

import asyncio
import errno
import gc
import importlib
import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock.addresses import host_and_port
from imds_mock.control_socket import DEFAULT_PORT, NoSocketError, open_at, open_default
from imds_mock.errors import EX_OSERR, ListenError, MockError
from imds_mock.log import say
from imds_mock.wire.descriptors import shares
from imds_mock.wire.server import open_sockets

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from imds_mock.config.settings import Config
    from imds_mock.state.runtime import Runtime


_NO_DESCRIPTOR_SECONDS: Final = 0.5


class ControlListenError(MockError):
    """The control plane cannot be listened on as configured."""

    exit_code = EX_OSERR


@dataclass(slots=True)
class Listeners:
    """The control plane's listening sockets.

    Attributes:
        local: The Unix socket, if there is one.
        network: TCP sockets.
        path: Where the Unix socket is.
    """

    local: list[socket.socket]
    network: list[socket.socket]
    path: Path | None

    def describe(self) -> str:
        """Say where the control plane is reached."""
        places = [f"unix:{self.path}"] if self.path else []
        names = {listening.getsockname()[:2] for listening in self.network}
        return ", ".join([*places, *sorted(host_and_port(host, port) for host, port in names)])

    def close(self) -> None:
        """Close them and take the Unix socket away."""
        for listening in (*self.local, *self.network):
            listening.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def open_listeners(config: Config, environ: Mapping[str, str]) -> Listeners:
    """Open the sockets.

    Args:
        config: The configuration.
        environ: Environment variables.

    Raises:
        ControlListenError: An address or the configured path cannot be listened on.
    """
    settings = config.control
    network = _open_network(config)
    local: list[socket.socket] = []
    path = None
    try:
        if settings.socket is None:
            listening, path = open_default(environ, str(config.server.port or f"pid-{os.getpid()}"))
            local.append(listening)
        elif settings.socket:
            path = Path(settings.socket)
            local.append(open_at(path))
    except NoSocketError as error:
        say(f"control plane without a Unix socket: {error}")
    except OSError as error:
        for listening in network:
            listening.close()
        raise ControlListenError(f"control.socket: cannot listen on {settings.socket}: {error.strerror}") from error
    return Listeners(local, network, path)


def _open_network(config: Config) -> list[socket.socket]:
    settings = config.control
    port = settings.port if settings.port is not None else (DEFAULT_PORT if config.server.port else 0)
    # Users of amazon-ec2-metadata-mock never asked for this port: some have several side by side, or their mock on it.
    is_optional = config.compatibility == "aemm" and settings.port is None
    if is_optional and port == config.server.port:
        say(f"control plane without TCP: {port} is the data plane's port (setting control.port)")
        return []
    if port and port == config.server.port:
        raise ControlListenError(
            f"the control plane and the data plane both have port {port}; choose another --control-port or --port"
        )
    try:
        return open_sockets(settings.hosts or _as_near_as(config.server.hosts), port)
    except ListenError as error:
        if is_optional:
            say(f"control plane without TCP: {error} (setting control.port)")
            return []
        named = ListenError(
            *(error.host, error.port, error.cause),
            subject=" for the control plane",
            options=("address with --set control.hosts=ADDRESS", "--control-port"),
        )
        raise ControlListenError(f"{named}. --control off starts without a control plane") from error


def _as_near_as(hosts: tuple[str, ...]) -> tuple[str, ...]:
    # Who keeps the mock to this machine does not expect that others can reach what drives it.
    return hosts if hosts and all(map(_is_loopback, hosts)) else ()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def run(runtime: Runtime, config: Config, listeners: Listeners) -> None:
    """Serve the control plane until cancelled.

    Args:
        runtime: The mock that it drives.
        config: The configuration.
        listeners: Its sockets.
    """
    places = shares(config.server.max_connections, with_control=True).control
    plane = await _loaded(runtime, config, places)
    # The framework's code and types stay for ever: the collector need not look at them again.
    gc.freeze()
    say(f"control plane on {listeners.describe()}")
    try:
        await plane.serve(listeners.local, listeners.network)
    finally:
        plane.stop()
        runtime.callers.close()


async def _loaded(runtime: Runtime, config: Config, places: int) -> Any:
    """The control plane's code, as soon as there are descriptors to read it."""
    while True:
        try:
            return await asyncio.to_thread(_load, runtime, config, places)
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            await asyncio.sleep(_NO_DESCRIPTOR_SECONDS)


def _load(runtime: Runtime, config: Config, places: int) -> Any:
    # In a thread, so that requests are answered meanwhile.
    listener = importlib.import_module("imds_mock.control.listener")
    context = importlib.import_module("imds_mock.control.context")
    version = importlib.import_module("importlib.metadata").version("imds-mock")
    made = context.ControlContext(
        *(
            runtime.state,
            runtime.callers,
            runtime.journal,
            runtime.queries,
            runtime.request_metrics,
            version,
            runtime.reloads,
        ),
        runtime.caught_up,
    )
    return listener.ControlPlane(made, config.control, places)
