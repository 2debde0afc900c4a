"""The network on which a mock holds 169.254.169.254, and the link-local addresses of the containers that use it.

The engine gives a container additional addresses besides its ordinary one (`link_local_ips`). Two containers with such
addresses on one network are neighbours, which needs neither a capability nor a change of an image.
"""

from __future__ import annotations

import contextlib
import ipaddress
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError, DockerException, NotFound
from docker.types import EndpointConfig
from testcontainers.core.network import Network

from imds_mock.testcontainers.errors import ImdsContainerError, cannot_join

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

MOCK_ADDRESSES: Final = ("169.254.169.254", "169.254.170.2", "169.254.170.23")
"""The addresses of the EC2, ECS and EKS metadata services."""

_LAST: Final = "zz"
_API_VERSION: Final = "1.41"
_FIRST: Final = IPv4Address("169.254.100.1")
_LOWEST: Final = IPv4Address("169.254.2.0")
_HIGHEST: Final = IPv4Address("169.254.168.255")


class LinkLocalNetwork:
    """A network with link-local addresses for a mock and its clients.

    Args:
        given: The network to use, or its name; None creates one for the mock alone.

    Attributes:
        name: Name of the network; empty before an own network is created.
    """

    def __init__(self, given: Network | str | None) -> None:
        self.name = given if isinstance(given, str) else given.name if given else ""
        self._is_own = given is None
        self._own: Network | None = None
        self._addresses: dict[DockerContainer, str] = {}

    def create(self) -> None:
        """Create the network, unless it was given."""
        if self._is_own and self._own is None:
            network = Network()
            # A container's default route and published ports belong to its first network in lexical order. This one
            # comes last, so a running container that is attached keeps both.
            network.name = f"{_LAST}-imds-{network.name}"
            self._own = network.create()
            self.name = network.name

    def remove(self) -> None:
        """Remove the network, unless it was given; containers that are still on it lose it."""
        self._addresses.clear()
        own, self._own = self._own, None
        if own is None:
            return
        self.name = ""
        network = own._unwrap_network  # noqa: SLF001 - Network.remove fails while a container is connected
        with contextlib.suppress(NotFound):
            network.reload()
            for container in network.containers:
                with contextlib.suppress(APIError):
                    network.disconnect(container, force=True)
            network.remove()

    def options(self, aliases: list[str] | None, addresses: tuple[str, ...]) -> dict[str, Any]:
        """What creates a container on this network with link-local addresses, as keyword arguments of docker-py."""
        endpoint = EndpointConfig(_API_VERSION, aliases=aliases, link_local_ips=list(addresses))
        return {"network": self.name, "networking_config": {self.name: endpoint}}

    def attach(self, container: DockerContainer, address: str | None) -> None:
        """Give a container a link-local address on this network: at its start, or now if it runs.

        Args:
            container: The container.
            address: The address; None takes the next free one.

        Raises:
            ValueError: The address is invalid or taken, or the container is to start on another network.
            ImdsContainerError: The engine refuses.
        """
        if container in self._addresses:
            return
        chosen = self._free_address() if address is None else self._checked(address)
        if container._container is None:  # noqa: SLF001 - whether it was started has no public name
            self._prepare(container, chosen)
        else:
            self._connect(container, chosen)
        self._addresses[container] = chosen

    def address_of(self, container: DockerContainer) -> str:
        """The link-local address of an attached container.

        Raises:
            ValueError: It is not attached.
        """
        if container not in self._addresses:
            raise ValueError(f"the container of {container.image} is not attached to this mock; call attach() first")
        return self._addresses[container]

    def _prepare(self, container: DockerContainer, address: str) -> None:
        held, network = container._kwargs, container._network  # noqa: SLF001 - what with_kwargs and with_network set
        other = sorted({"network", "network_mode", "networking_config"} & held.keys())
        if network is not None and network.name != self.name:
            other.append("with_network")
        if other:
            raise ValueError(
                f"the container of {container.image} is to start on another network ({', '.join(other)}); give both "
                "the same one with ImdsContainer(network=...), or attach the container after its start"
            )
        aliases = container._network_aliases  # noqa: SLF001 - as above
        container.with_kwargs(**held, **self.options(aliases, (address,)))

    def _connect(self, container: DockerContainer, address: str) -> None:
        wrapped = container.get_wrapped_container()
        try:
            wrapped.reload()
            network = container.get_docker_client().client.networks.get(self.name)
            held = wrapped.attrs["NetworkSettings"]["Networks"].get(self.name)
            if held is not None:
                # An endpoint's addresses cannot be changed.
                network.disconnect(wrapped, force=True)
            aliases = [name for name in (held or {}).get("Aliases") or () if not str(wrapped.id).startswith(name)]
            fixed = ((held or {}).get("IPAMConfig") or {}).get("IPv4Address")
            network.connect(wrapped, aliases=aliases or None, ipv4_address=fixed, link_local_ips=[address])
        except DockerException as error:
            raise cannot_join(str(wrapped.name), self.name, error) from error
        require_link_local(container, self.name)

    def _free_address(self) -> str:
        taken = {IPv4Address(each) for each in self._addresses.values()}
        candidate = _FIRST
        while candidate in taken:
            candidate += 1
        return str(candidate)

    def _checked(self, address: str) -> str:
        expected = f"expected an address from {_LOWEST} to {_HIGHEST}"
        try:
            chosen = ipaddress.IPv4Address(address)
        except ValueError as error:
            raise ValueError(f"link_local_ip={address!r}: {expected}") from error
        if not _LOWEST <= chosen <= _HIGHEST:
            raise ValueError(f"link_local_ip={address!r}: {expected}")
        if address in self._addresses.values():
            raise ValueError(f"link_local_ip={address!r} belongs to another attached container; leave it out")
        return str(chosen)


def require_link_local(container: DockerContainer, network: str) -> None:
    """Check that the engine has given a running container its link-local addresses.

    Raises:
        ImdsContainerError: It has ignored them, as Podman does.
    """
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    endpoint = wrapped.attrs["NetworkSettings"]["Networks"].get(network) or {}
    if not (endpoint.get("IPAMConfig") or {}).get("LinkLocalIPs"):
        raise ImdsContainerError(
            f"the engine has ignored link_local_ips for the container {wrapped.name} (Podman does); use Docker, or do "
            "not attach your application and give it AWS_EC2_METADATA_SERVICE_ENDPOINT=network_endpoint_url"
        )
