"""The callers of a run: the registry over the real network, and what the ECS agent reads from it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imds_mock.agents.dispatch import ContainerAgents
from imds_mock.callers.address_linking import AddressLinker
from imds_mock.callers.identification import CallerIdentifier
from imds_mock.callers.kernel import Kernel, default_gateways
from imds_mock.callers.local_networks import LocalNetworks
from imds_mock.callers.nameserver import NameServer
from imds_mock.callers.reachability import ReachabilityProbe
from imds_mock.callers.registry import CallerRegistry
from imds_mock.callers.targets import resolve_name, resolve_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from imds_mock.agents.task_metadata import Task
    from imds_mock.callers.caller import Caller
    from imds_mock.config.settings import Config
    from imds_mock.service.snapshot import Snapshot

# A late name is still useful for the journal, but no request waits that long.
_NAME_SECONDS: Final = 5.0
_PROC_NET: Final = Path("/proc/net")


def network_registry(
    config: Callable[[], Config],
    services: Callable[[], frozenset[str]],
    monotonic: Callable[[], float],
    resources: ExitStack,
) -> CallerRegistry:
    """A registry that asks this machine's kernel and its name server.

    Args:
        config: Returns the configuration in force.
        services: Returns the services that the configuration names.
        monotonic: Clock in seconds.
        resources: Closes the sockets that the registry opens.
    """
    names = NameServer(lambda: config().callers.name_server, _NAME_SECONDS)
    kernel = Kernel()
    resources.callback(names.close)
    resources.callback(kernel.close)
    networks = LocalNetworks(kernel, lambda: default_gateways(_PROC_NET), monotonic, has_own_names=names.is_engine)
    linker = AddressLinker(kernel, networks, ReachabilityProbe(), monotonic)
    identifier = CallerIdentifier(names, networks, linker, services)
    resolve = partial(resolve_service, resolve=resolve_name, is_in_swarm=identifier.is_in_swarm)
    return CallerRegistry(resolve, identifier, monotonic, lambda: config().callers.look_up_seconds)


class RegisteredContainers:
    """The named containers that have sent requests, for the ECS agent.

    Args:
        callers: The known callers.
        snapshot_for: Returns the snapshot that the caller with an address sees.
    """

    def __init__(self, callers: CallerRegistry, snapshot_for: Callable[[str], Snapshot]) -> None:
        self._callers = callers
        self._snapshot_for = snapshot_for

    def name_of(self, address: str) -> str | None:
        """The service of a container, with its number from the second replica on; otherwise the container's name.

        Args:
            address: The caller's address.
        """
        return _name(self._callers.caller(address))

    def others(self, address: str) -> Iterator[tuple[str, Task]]:
        """Name and task of each container except one.

        Args:
            address: The address of the caller to leave out.
        """
        own = self._callers.caller(address).container
        for caller in self._callers.containers():
            agents = self._snapshot_for(caller.addresses[0]).agents
            if caller.container != own and isinstance(agents, ContainerAgents):
                yield _name(caller) or caller.key, agents.task


def _name(caller: Caller) -> str | None:
    if caller.service is None or caller.number in {None, 1}:
        return caller.service or caller.container
    return f"{caller.service}-{caller.number}"
