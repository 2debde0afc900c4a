"""A mock in a container of its own, with the methods of `ImdsMock`, and the containers that use it."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from docker.errors import DockerException, ImageNotFound
from testcontainers.core.container import DockerContainer

from imds_mock.ctl.client import Client, UnreachableError
from imds_mock.errors import ProbeError
from imds_mock.testcontainers.errors import ImdsContainerError, cannot_start, log_of, missing_image, no_engine
from imds_mock.testcontainers.network import MOCK_ADDRESSES, LinkLocalNetwork, require_link_local
from imds_mock.testcontainers.settings import CONTROL_PORT, DATA_PORT, container_config, file_content
from imds_mock.testing.blocking import BlockingMock
from imds_mock.testing.remote import RemoteController, RemoteDriver
from imds_mock.wire.health import probe

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from testcontainers.core.network import Network

    from imds_mock.config.settings import Config

ContainerT = TypeVar("ContainerT", bound=DockerContainer)

_TOKEN: Final = "IMDS_MOCK_CONTROL_TOKEN"  # noqa: S105 - the variable's name
_FILE: Final = "/etc/imds-mock/testcontainers.json"
_ALIAS: Final = "imds-mock"
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_POLL_SECONDS: Final = 0.05
_ATTEMPT_SECONDS: Final = 2.0


class ImdsContainer(BlockingMock, DockerContainer):
    """A mock in a container. It has the methods of `ImdsMock`, and those of a testcontainers container.

    `with ImdsContainer(region="eu-west-1") as imds, imds.attach(DockerContainer("worker")) as worker:` starts a worker
    that finds the mock at 169.254.169.254.

    Args:
        image: Name of the mock's image, with or without a tag.
        tag: Tag of the image, if the name has none.
        config: The configuration: settings, a mapping as in a file, or the path of a YAML or JSON file on this machine.
        network: The network to join, or its name; None creates one, which is removed with the container.
        startup_timeout: Seconds within which the mock must answer.
        docker_client_kw: Passed to docker-py's client.
        settings: Further settings by name; see `configure`.

    Raises:
        ConfigError: The configuration is invalid.
        ImdsContainerError: No Docker engine answers.
    """

    def __init__(  # noqa: PLR0913 - passed by keyword
        self,
        image: str = "imds-mock",
        *,
        tag: str | None = None,
        config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        network: Network | str | None = None,
        startup_timeout: float = 30.0,
        docker_client_kw: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        started_with = container_config(config, settings)
        try:
            DockerContainer.__init__(self, f"{image}:{tag}" if tag else image, docker_client_kw)
        except DockerException as error:
            raise no_engine(error) from error
        self.startup_timeout = startup_timeout
        self._link = LinkLocalNetwork(network)
        self._urls: tuple[str, str] | None = None
        self.with_env(_TOKEN, str(started_with.control.token or secrets.token_hex(16))).with_env(
            "IMDS_MOCK_CONFIG", _FILE
        )
        self.with_copy_into_container(file_content(started_with), _FILE)
        self.with_network_aliases(_ALIAS)
        controller = RemoteController(self._client, lambda: self._running_urls()[0])
        BlockingMock.__init__(self, RemoteDriver(controller, self._unreachable))

    def start(self) -> Self:
        """Start the container and wait until the mock answers.

        A `with` block does this, and stops the container at its end.

        Raises:
            ImdsContainerError: It cannot start, or does not answer in time; nothing of it is left.
        """
        try:
            self._require_image()
            self._link.create()
            DockerContainer.start(self)
            self._urls = self._await_answer(time.monotonic() + self.startup_timeout)
        except DockerException as error:
            self.stop()
            raise cannot_start(self.image, error) from error
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:  # noqa: FBT001, FBT002 - as in the base class
        """Remove the container, and its network unless that was given."""
        self._urls = None
        try:
            DockerContainer.stop(self, force, delete_volume)
        finally:
            self._container = None
            self._link.remove()

    def attach(self, container: ContainerT, *, link_local_ip: str | None = None) -> ContainerT:
        """Let a container reach the mock at 169.254.169.254, 169.254.170.2 (ECS) and 169.254.170.23 (EKS).

        A container that has not started joins the mock's network at its start; a running one at once, besides its
        own networks. Its image needs no change, and the container no capability.

        Args:
            container: The container.
            link_local_ip: Its additional address, from 169.254.2.0 to 169.254.168.255; None takes a free one.

        Returns:
            The same container.

        Raises:
            ValueError: The address is invalid or taken, or the container is to start on another network.
            ImdsContainerError: The mock does not run, or the engine refuses.
        """
        require_link_local(self, self.network_name)
        self._link.attach(container, link_local_ip)
        return container

    def address_of(self, container: DockerContainer) -> str:
        """The address from which an attached container sends requests, for `target`, `by` and `caller`.

        Raises:
            ValueError: The container is not attached.
        """
        return self._link.address_of(container)

    @property
    def control_token(self) -> str:
        """Bearer token of the control plane, generated for this container unless it is configured."""
        return self.env[_TOKEN]

    @property
    def network_endpoint_url(self) -> str:
        """URL of the metadata service for containers on the mock's network that are not attached."""
        self._running_urls()
        return f"http://{(self._network_aliases or [_ALIAS])[0]}"

    @property
    def network_name(self) -> str:
        """Name of the network that the mock has joined."""
        self._running_urls()
        return self._link.name

    def environment(self) -> dict[str, str | None]:
        """The variables with which a client in the test's own process uses the mock; None removes a variable.

        Attached containers need none of them.
        """
        return {**BlockingMock.environment(self), _TOKEN: self.control_token}

    def _configure(self) -> None:
        is_here = self.get_docker_client().get_connection_mode().use_mapped_port and (
            self.get_docker_client().host() in _LOCAL
        )
        for port in (DATA_PORT, CONTROL_PORT):
            # The mock may serve credentials of a real profile, so other machines must not reach it.
            published: Any = ("127.0.0.1", None) if is_here else None
            self.ports.setdefault(str(port), published)
        self._kwargs |= self._link.options(self._network_aliases, MOCK_ADDRESSES)

    def _require_image(self) -> None:
        if "/" in self.image:
            return  # the engine can get it from a registry
        try:
            self.get_docker_client().client.images.get(self.image)
        except ImageNotFound as error:
            raise missing_image(self.image) from error

    def _await_answer(self, deadline: float) -> tuple[str, str]:
        """The URLs of the metadata service and the control plane, once both answer."""
        while True:
            self.reload()
            if self.status not in {"created", "running"}:
                code = self.get_wrapped_container().attrs["State"]["ExitCode"]
                raise ImdsContainerError(
                    f"the mock in a container of {self.image} has ended with exit code {code}; its log has the reason",
                    log_of(self),
                )
            where, reason = "its published ports", ""
            try:
                urls = self._url(DATA_PORT), self._url(CONTROL_PORT)
                where = " and ".join(urls)
                probe(urls[0], _ATTEMPT_SECONDS)
                Client(urls[1], self.control_token).call("GET", "/healthz")
            except (ProbeError, UnreachableError, ConnectionError) as error:
                reason = str(error)
            else:
                return urls
            if time.monotonic() > deadline:
                raise ImdsContainerError(
                    f"the mock does not answer at {where} within {self.startup_timeout:g} s ({reason}); if the engine "
                    "publishes ports at another address, set TESTCONTAINERS_HOST_OVERRIDE to it",
                    log_of(self),
                )
            time.sleep(_POLL_SECONDS)

    def _url(self, port: int) -> str:
        client = self.get_docker_client()
        host = self.get_container_host_ip()
        mapped = client.get_connection_mode().use_mapped_port
        published = client.port(self.get_container_id(), port) if mapped else port
        # The ports are published on the IPv4 loopback address.
        return f"http://{'127.0.0.1' if host in _LOCAL else host}:{published}"

    def _running_urls(self) -> tuple[str, str]:
        if self._urls is None:
            raise ImdsContainerError("the mock's container does not run; use it inside its `with` block")
        return self._urls

    def _client(self) -> Client:
        return Client(self._running_urls()[1], self.control_token, on_note=lambda _note: None)

    def _unreachable(self, error: UnreachableError) -> ImdsContainerError:
        return ImdsContainerError(f"the mock in a container of {self.image} no longer answers ({error})", log_of(self))
