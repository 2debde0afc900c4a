"""One engine and one build of the images, shared by all end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine import BASE_IMAGE, engine, has_own_network, own_engine
from support.containers import Docker
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    with engine() as environment:
        # Several projects of the repository's compose file run at the same time; each gets a free port of the host.
        yield Docker({**environment, "IMDS_CONTROL_PORT": ""})


@pytest.fixture(scope="session")
def mock_image(docker: Docker) -> str:
    return docker.build("imds-mock", ROOT)


@pytest.fixture(scope="session")
def own_docker(docker: Docker, mock_image: str) -> Iterator[Docker]:
    """An engine in its own network namespace, for tests that would change the routes of the machine."""
    if has_own_network(docker.environment):
        yield docker
    else:
        with own_engine() as environment:
            own = Docker(environment)
            own.build(mock_image, ROOT)
            yield own


@pytest.fixture(scope="session")
def shim_image(docker: Docker) -> str:
    image = docker.build("imds-shim", ROOT, "--file", "Dockerfile.shim", "--target", "shim")
    # Takes no time after the other. What has a name is in the cache of a temporary engine for the next run.
    docker.build("imds-shim-build", ROOT, "--file", "Dockerfile.shim", "--target", "build")
    return image


@pytest.fixture(scope="session")
def debug_image(docker: Docker, shim_image: str) -> str:
    assert shim_image  # both use the same build stages, which are built once
    return docker.build("imds-shim-debug", ROOT, "--file", "Dockerfile.shim", "--target", "debug")


@pytest.fixture(scope="session")
def tools_image(docker: Docker, shim_image: str) -> str:
    """An application image with the shim and network tools."""
    recipe = (
        f"FROM {BASE_IMAGE}\n"
        "RUN apt-get update"
        " && apt-get install --yes --no-install-recommends curl iptables nftables iproute2 procps\n"
        f"COPY --from={shim_image} /opt/imds-shim /opt/imds-shim\n"
        'ENTRYPOINT ["/opt/imds-shim/bin/imds-shim"]\n'
    )
    docker("build", "--tag", "imds-e2e-tools", "-", input_text=recipe)
    return "imds-e2e-tools"


@pytest.fixture(scope="session")
def network(docker: Docker) -> Iterator[str]:
    """A network on which the fixture `mock` has the name mock_metadata."""
    with docker.network() as name:
        yield name


@pytest.fixture(scope="session")
def mock(docker: Docker, mock_image: str, network: str) -> Iterator[str]:
    """A running mock on `network`; yields the container's name."""
    with docker.container(mock_image, options=["--network", network, "--network-alias", "mock_metadata"]) as name:
        docker.await_log(name, "answers on", seconds=120)
        yield name
