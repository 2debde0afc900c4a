"""`ImdsContainer` on a real engine: what an application container reads, what is left behind, and how a start fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID
from testcontainers.core.network import Network

from imds_mock.testcontainers import ConfigError, ImdsContainer, ImdsContainerError
from support.containers import PREFIX
from support.engine_environment import engine_environment
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

READ = ("curl", "--silent", "--show-error", "--fail", "--max-time", "30")


@pytest.fixture(scope="module", autouse=True)
def _engine(docker: Docker, mock_image: str) -> Iterator[None]:
    assert mock_image == "imds-mock"
    docker.build("imds-application", ROOT / "examples/application")
    environment = engine_environment(docker)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if name.startswith("DOCKER_"):
                patch.setenv(name, value)
        # It has read its own variables when it was imported.
        patch.setattr(testcontainers_config, "ryuk_disabled", True)
        patch.setattr(testcontainers_config, "tc_host_override", environment.get("TESTCONTAINERS_HOST_OVERRIDE"))
        yield


@pytest.fixture(scope="module")
def shared(_engine: None) -> Iterator[ImdsContainer]:
    with ImdsContainer(region="eu-west-1", identity="per-container") as running:
        yield running


@pytest.fixture
def imds(shared: ImdsContainer) -> ImdsContainer:
    shared.reset()
    return shared


def application(name: str | None = None) -> DockerContainer:
    """An application that sleeps."""
    return DockerContainer("imds-application", name=name).with_kwargs(entrypoint=["sleep"]).with_command("600")


def read(container: DockerContainer, path: str, address: str = "169.254.169.254") -> str:
    done = container.exec([*READ, f"http://{address}/{path}"])
    assert done.exit_code == 0, done.output.decode()
    return done.output.decode()


def default_routes(container: DockerContainer) -> list[str]:
    lines = container.exec(["cat", "/proc/net/route"]).output.decode().splitlines()
    return [line for line in lines if line.split()[1] == "00000000"]


def leftovers(docker: Docker) -> list[str]:
    """Containers and networks that testcontainers has created in this process."""
    label = f"label={LABEL_SESSION_ID}={SESSION_ID}"
    containers = docker("ps", "--all", "--quiet", "--filter", label).stdout.split()
    return containers + docker("network", "ls", "--quiet", "--filter", label).stdout.split()


def test_containers_attached_before_their_start_are_instances_of_their_own(imds: ImdsContainer, docker: Docker) -> None:
    names = [docker.name(), docker.name()]
    unprivileged = {"entrypoint": ["sleep"], "cap_drop": ["ALL"], "read_only": True, "user": "1000:1000"}
    with (
        imds.attach(application(names[0]).with_kwargs(**unprivileged)) as first,
        imds.attach(application(names[1])) as second,
    ):
        ids = [read(each, "latest/meta-data/instance-id") for each in (first, second)]
        assert ids[0] != ids[1]
        # Each is one caller, under its container's name as under its link-local address.
        for name, each in zip(names, (first, second), strict=True):
            (request,) = imds.assert_requested("meta-data/instance-id", by=name)
            assert (request.caller, request.names) == (imds.address_of(each), (name,))
            assert imds.requests.filter(caller=imds.address_of(each)) == (request,)


def test_a_container_attached_while_it_runs_keeps_its_own_network(imds: ImdsContainer, docker: Docker) -> None:
    with application().with_exposed_ports(8000) as app:
        port, routes = app.get_exposed_port(8000), default_routes(app)
        assert imds.attach(app) is app
        assert read(app, "latest/meta-data/placement/region") == "eu-west-1"
        assert (app.get_exposed_port(8000), default_routes(app)) == (port, routes)
        networks = docker.inspect(str(app.get_wrapped_container().id), ".NetworkSettings.Networks")
        assert set(networks) == {"bridge", imds.network_name}
        assert imds.attach(app) is app


def test_a_container_that_runs_on_the_mocks_network_is_attached_with_its_aliases(docker: Docker) -> None:
    before = leftovers(docker)
    with (
        Network() as network,
        ImdsContainer(network=network, region="eu-west-2") as imds,
        application().with_network(network).with_network_aliases("app") as app,
    ):
        imds.attach(app, link_local_ip="169.254.7.7")
        assert read(app, "latest/meta-data/placement/region") == "eu-west-2"
        assert [each.caller for each in imds.requests] == ["169.254.7.7"]
        path = f'(index .NetworkSettings.Networks "{network.name}")'
        assert "app" in docker.inspect(str(app.get_wrapped_container().id), path)["Aliases"]
        assert imds.network_name == network.name
    assert leftovers(docker) == before


def test_an_event_for_one_container_is_seen_by_that_one(imds: ImdsContainer, docker: Docker) -> None:
    name = docker.name()
    with imds.attach(application(name)) as first, imds.attach(application()) as second:
        by_name = imds.spot.interrupt(target=name)
        other = imds.spot.rebalance(target=imds.address_of(second))
        assert json.loads(read(first, "latest/meta-data/spot/instance-action"))["action"] == "terminate"
        for each, path in ((second, "spot/instance-action"), (first, "events/recommendations/rebalance")):
            done = each.exec([*READ, f"http://169.254.169.254/latest/meta-data/{path}"])
            assert b"404" in done.output
        assert read(second, "latest/meta-data/events/recommendations/rebalance")
        assert [each.names for each in by_name.seen] == [(name,)]
        assert other.wait_until_seen(timeout=30).caller == imds.address_of(second)


def test_the_credential_addresses_of_ecs_and_eks_are_reached_too(imds: ImdsContainer) -> None:
    with imds.attach(application()) as app:
        assert "AccessKeyId" in read(app, "v2/credentials/any", "169.254.170.2")
        assert imds.requests.filter(version="ecs", status=200)


def test_a_container_that_is_not_attached_uses_the_name(imds: ImdsContainer) -> None:
    with application().with_kwargs(entrypoint=["sleep"], network=imds.network_name) as app:
        host = imds.network_endpoint_url.removeprefix("http://")
        assert read(app, "latest/meta-data/placement/region", host) == "eu-west-1"


def test_the_tests_own_process_asks_over_published_ports(imds: ImdsContainer) -> None:
    environment = imds.environment()
    url = f"{environment['AWS_EC2_METADATA_SERVICE_ENDPOINT']}/latest/meta-data/mac"
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - http
        assert response.status == 200
    assert environment["AWS_REGION"] == "eu-west-1"
    imds.assert_requested("meta-data/mac")
    ctl = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    command = [str(Path(sys.executable).with_name("imds-mock")), "ctl", "config", "show", "instance.region"]
    assert subprocess.run(command, env=ctl, capture_output=True, check=True).stdout == b'"eu-west-1"\n'


def test_the_control_plane_needs_the_containers_token(imds: ImdsContainer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{imds.control_url}/v1/status", timeout=30)  # noqa: S310 - http
    assert len(imds.control_token) >= 32
    own = "0123456789abcdef"
    with ImdsContainer() as other, ImdsContainer(control__token=own) as configured:
        assert other.control_token != imds.control_token
        assert (configured.control_token, configured.region) == (own, "us-east-1")
        assert configured.config.control.token is None


def test_what_the_mock_starts_with_and_returns_to(docker: Docker) -> None:
    config = {"instance": {"tags": {}, "user_data": "#!/bin/sh\n"}, "metadata_options": {"http_tokens": "required"}}
    with ImdsContainer(tag="latest", config=config, instance_type="c7g.large").with_name(docker.name()) as imds:
        assert imds.config.instance.tags == {}
        assert imds.metadata["user-data"] == "#!/bin/sh\n"
        imds.configure(instance_type="m5.large", http_tokens="optional")
        imds.clock.advance(hours=3)
        imds.reset()
        assert imds.metadata["meta-data/instance-type"] == "c7g.large"
        assert imds.config.metadata_options.http_tokens == "required"
        with pytest.raises(ConfigError, match=r"regoin='x'; did you mean region\?"):
            imds.configure(regoin="x")


def test_a_block_leaves_nothing_behind_even_if_a_container_is_still_attached(
    shared: ImdsContainer, docker: Docker
) -> None:
    before = leftovers(docker)
    app = application()
    with ImdsContainer() as imds:
        imds.attach(app).start()
        assert len(leftovers(docker)) == len(before) + 3
    try:
        assert len(leftovers(docker)) == len(before) + 1
    finally:
        app.stop()
    assert leftovers(docker) == before
    assert shared.region == "eu-west-1"


def test_the_example_passes_as_it_stands(docker: Docker, tmp_path: Path) -> None:
    before = leftovers(docker)
    folder = tmp_path / "example"
    shutil.copytree(ROOT / "examples/testcontainers", folder)
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "-W", "error", "--rootdir", str(folder)]
    # If the container were not attached, no client of this process would reach a real metadata service.
    environment = engine_environment(docker) | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert leftovers(docker) == before
    images = docker("image", "ls", "--quiet", "--filter", f"label={LABEL_SESSION_ID}").stdout
    assert images == ""


def test_the_python_examples_on_the_page_run(imds: ImdsContainer, docker: Docker) -> None:
    before = leftovers(docker)
    image = docker.build(f"{PREFIX}-worker", ROOT / "examples/testcontainers/worker")
    page = (ROOT / "docs/testcontainers.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names = {
        "DockerContainer": DockerContainer,
        "ImdsContainer": ImdsContainer,
        "application": application,
        "imds": imds,
        "read": lambda container, path: read(container, f"latest/{path}"),
    }
    for block in blocks:
        # A user's own image may have the name on the page.
        exec(block.replace('DockerContainer("worker")', f'DockerContainer("{image}")'), dict(names))  # noqa: S102 - the page's own code
    public = {name for name in vars(ImdsContainer) if not name.startswith("_")} - {"start", "stop"}
    code = "\n".join(blocks)
    assert {name for name in public if not re.search(rf"\.{name}\b", code)} == set()
    assert leftovers(docker) == before


def refused(imds: ImdsContainer, docker: Docker) -> str:
    """The error of a start that fails and leaves nothing behind."""
    before = leftovers(docker)
    with pytest.raises(ImdsContainerError) as caught:
        imds.start()
    assert leftovers(docker) == before
    return str(caught.value)


def test_a_missing_image(docker: Docker) -> None:
    message = refused(ImdsContainer("imds-mock", tag="absent"), docker)
    assert message == (
        "the engine has no image imds-mock:absent; build it with `make images` in a clone of imds-sidecar, "
        "or pass another one as image="
    )
    assert "the engine cannot get the image 127.0.0.1:9/imds-mock" in refused(
        ImdsContainer("127.0.0.1:9/imds-mock"), docker
    )


def test_a_mock_that_ends_at_once_shows_its_log(docker: Docker) -> None:
    message = refused(ImdsContainer().with_env("IMDS_MOCK_HTTP_TOKENS", "sometimes"), docker)
    assert "has ended with exit code 78; its log has the reason" in message
    assert "IMDS_MOCK_HTTP_TOKENS" in message.partition("The mock's log:")[2]


def test_a_mock_that_does_not_answer_in_time(docker: Docker) -> None:
    imds = ImdsContainer(startup_timeout=1).with_command(["serve", "--port", "81"])
    message = refused(imds, docker)
    assert message.startswith("the mock does not answer at http://")
    assert "within 1 s" in message
    assert "TESTCONTAINERS_HOST_OVERRIDE" in message


def test_a_port_that_is_taken(imds: ImdsContainer, docker: Docker) -> None:
    taken = int(imds.endpoint_url.rpartition(":")[2])
    message = refused(ImdsContainer().with_bind_ports(80, taken), docker)
    assert message.startswith("the engine cannot publish the mock's ports (")
    assert message.endswith("; free the port, or leave with_bind_ports out")


def test_a_network_that_does_not_exist(docker: Docker) -> None:
    assert "absent-network" in refused(ImdsContainer(network="absent-network"), docker)


def test_a_container_that_cannot_join(imds: ImdsContainer) -> None:
    with application().with_kwargs(entrypoint=["sleep"], network_mode="host") as app:
        with pytest.raises(ImdsContainerError, match=r"cannot join the mock's network .*host"):
            imds.attach(app)
        with pytest.raises(ValueError, match="is not attached"):
            imds.address_of(app)


def test_a_mock_that_has_died_is_reported_with_its_log(docker: Docker) -> None:
    with ImdsContainer() as imds:
        docker("kill", str(imds.get_wrapped_container().id))
        with pytest.raises(ImdsContainerError, match=r"(?s)no longer answers.*The mock's log:.*answers on"):
            imds.spot.interrupt()
    with pytest.raises(ImdsContainerError, match="use it inside its `with` block"):
        imds.spot.interrupt()
    with pytest.raises(ImdsContainerError, match="use it inside its `with` block"):
        imds.attach(application())
