"""The control plane's sockets, opened at the start, and its code, loaded once the data plane answers.

Of the package, only this module and `context` are imported before that. This one imports the web framework in a thread,
so that requests are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imds_mock.control_socket import DEFAULT_PORT, NamedSocket, NoSocketError, open_at, open_default
from imds_mock.errors import EX_OSERR, ListenError, MockError
from imds_mock.records import Record
from imds_mock.unused_modules import import_with
from imds_mock.wire.sockets import Address, open_sockets

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from imds_mock.config.settings import Config, ControlSettings
    from imds_mock.control.context import ControlContext
    from imds_mock.control.listener import ControlPlane

_RETRY_SECONDS: Final = 0.5


class ControlListenError(MockError):
    """The control plane cannot listen as configured."""

    exit_code = EX_OSERR


class ControlSockets(Record, frozen=True):
    """The control plane's listening sockets.

    Attributes:
        named: The Unix socket, if there is one.
        network: TCP sockets.
        addresses: Where these listen.
    """

    named: NamedSocket | None
    network: tuple[socket.socket, ...]
    addresses: tuple[Address, ...]

    @classmethod
    def open(cls, config: Config, folders: Sequence[Path], log: Callable[[str], None]) -> ControlSockets:
        """Open the sockets.

        Args:
            config: The configuration.
            folders: Folders for the Unix socket if its path is not configured; the first usable one is taken.
            log: Receives a sentence about a socket that is left out.

        Raises:
            ControlListenError: An address or the configured path cannot be listened on.
        """
        network = tuple(_open_network(config, log))
        try:
            named = _open_local(config, folders, log)
        except BaseException:
            for listening in network:
                listening.close()
            raise
        return cls(named, network, tuple(Address(*each.getsockname()[:2]) for each in network))

    @property
    def path(self) -> Path | None:
        """The path of the Unix socket."""
        return None if self.named is None else self.named.path

    @property
    def local(self) -> tuple[socket.socket, ...]:
        """The Unix socket, if there is one."""
        return () if self.named is None else (self.named.listening,)

    def __str__(self) -> str:
        return ", ".join([*([f"unix:{self.path}"] if self.path else []), *sorted(map(str, self.addresses))])

    @property
    def url(self) -> str | None:
        """The URL of the control plane for clients on this machine; None if there is no socket."""
        if self.addresses:
            return self.addresses[0].url
        return f"unix:{self.path}" if self.path else None

    def remove_file(self) -> None:
        """Remove the Unix socket's file, so that the next mock can take the path; before the sockets are closed."""
        if self.named is not None:
            self.named.remove_file()

    def close(self) -> None:
        """Close the sockets and remove the Unix socket's file."""
        if self.named is not None:
            self.named.close()
        for listening in self.network:
            listening.close()


async def serve_control(  # noqa: PLR0913 - passed by keyword
    context: ControlContext,
    settings: ControlSettings,
    sockets: ControlSockets,
    *,
    connections: int,
    ready: Callable[[], None],
    on_demand: bool = False,
) -> None:
    """Serve the control plane until canceled; then finish the requests in progress.

    Args:
        context: What its operations use.
        settings: Who has access.
        sockets: Where it listens.
        connections: How many connections each of its two listeners may have.
        ready: Called once it answers.
        on_demand: Load the code when the first client connects.
    """
    if on_demand:
        await _first_client((*sockets.local, *sockets.network))
    plane = await _load(context, settings, connections)
    ready()
    serving = asyncio.ensure_future(plane.serve(sockets.local, sockets.network))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        sockets.remove_file()
        plane.stop()
        await serving
        raise


async def _first_client(listening: Sequence[socket.socket]) -> None:
    """Wait for a client at one of the sockets; an event loop that cannot watch sockets does not wait (on Windows)."""
    loop = asyncio.get_running_loop()
    connected = asyncio.Event()
    with contextlib.suppress(NotImplementedError):
        try:
            for each in listening:
                loop.add_reader(each, connected.set)
            await connected.wait()
        finally:
            for each in listening:
                loop.remove_reader(each)


async def _load(context: ControlContext, settings: ControlSettings, connections: int) -> ControlPlane:
    """Import the control plane, as soon as there are file descriptors to read it."""

    def load() -> ControlPlane:
        from imds_mock.control.listener import ControlPlane  # noqa: PLC0415 - see the module's docstring

        return ControlPlane(context, settings, connections)

    while True:
        try:
            return await asyncio.to_thread(import_with, load)
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            await asyncio.sleep(_RETRY_SECONDS)


def _open_local(config: Config, folders: Sequence[Path], log: Callable[[str], None]) -> NamedSocket | None:
    configured = config.control.socket
    if configured == "" or (configured is None and not folders):
        return None
    try:
        if configured:
            return open_at(Path(configured))
        return open_default(folders, str(config.server.port or f"pid-{os.getpid()}"))
    except NoSocketError as error:
        log(f"control plane without a Unix socket: {error}")
        return None
    except OSError as error:
        raise ControlListenError(f"control.socket: cannot listen on {configured}: {error.strerror}") from error


def _open_network(config: Config, log: Callable[[str], None]) -> list[socket.socket]:
    settings = config.control
    port = settings.port if settings.port is not None else (DEFAULT_PORT if config.server.port else 0)
    # Users of amazon-ec2-metadata-mock did not ask for this port: several may run side by side, or serve on it.
    is_optional = config.compatibility == "aemm" and settings.port is None
    if is_optional and port == config.server.port:
        log(f"control plane without TCP: {port} is the data plane's port (setting control.port)")
        return []
    if port and port == config.server.port:
        raise ControlListenError(
            f"the control plane and the data plane both have port {port}; choose another --control-port or --port"
        )
    try:
        return open_sockets(settings.hosts or _loopback_only(config.server.hosts), port)
    except ListenError as error:
        if is_optional:
            log(f"control plane without TCP: {error} (setting control.port)")
            return []
        named = ListenError(
            *(error.host, error.port, error.cause),
            subject=" for the control plane",
            options=("address with --set control.hosts=ADDRESS", "--control-port"),
        )
        raise ControlListenError(f"{named}. --control off starts without a control plane") from error


def _loopback_only(hosts: tuple[str, ...]) -> tuple[str, ...]:
    # If the data plane is limited to this machine, the control plane is, too.
    return hosts if hosts and all(map(_is_loopback, hosts)) else ()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
