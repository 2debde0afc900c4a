"""One instance per container, with real containers: replicas, a restart, a variant for one service."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from support.containers import IMDS, Docker
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What the README tells to write.
(MOCK,) = re.findall(
    r"^```yaml\n(services:\n[^`]*per-container[^`]*)^```$", (ROOT / "README.md").read_text(), re.MULTILINE
)
# Each replica answers on a port with its own host name, so that it can be told who is reached.
STACK = """
services:
  mock_metadata:
    networks: [default, other]
  app:
    image: imds-shim-debug
    environment: {MOCK_HOSTNAME: mock_metadata}
    command:
      - perl
      - -MIO::Socket
      - -e
      - |
        my $$port = IO::Socket::INET->new(LocalPort => 8000, Listen => 5, ReuseAddr => 1);
        print STDERR "listening\\n";
        while (my $$caller = $$port->accept) { print $$caller `hostname`; close $$caller }
    cap_add: [NET_ADMIN]
    stop_signal: SIGKILL
    scale: 3
  worker:
    image: imds-shim-debug
    environment: {MOCK_HOSTNAME: mock_metadata}
    cap_add: [NET_ADMIN]
    stop_signal: SIGKILL
    networks: [default, other]
networks:
  other: {}
"""


class Stack:
    """The containers."""

    def __init__(self, docker: Docker, *files: Path) -> None:
        self.docker = docker
        self.project = docker.name()
        self._words = ("compose", "--project-name", self.project, *(f"--file={file}" for file in files))

    def __call__(self, *words: str) -> str:
        return self.docker(*self._words, *words).stdout

    def apps(self) -> list[str]:
        """The replicas' names, in order."""
        return [f"{self.project}-app-{number}" for number in (1, 2, 3)]

    def read(self, container: str, path: str) -> str:
        """What a container reads from the metadata; a container runs before its shim has set the rule."""
        command = ("curl", "-sSf", "--retry", "60", "--retry-delay", "1", "--retry-all-errors")
        return self.docker("exec", container, *command, f"{IMDS}/latest/{path}").stdout

    def ids(self) -> dict[str, str]:
        """Each replica's instance id."""
        return {app: self.read(app, "meta-data/instance-id") for app in self.apps()}

    def reached_at(self, address: str) -> str:
        """The host name of whoever answers at an address, asked from another container."""
        command = f"exec 3<>/dev/tcp/{address}/8000 && cat <&3"
        return self("exec", "-T", "worker", "bash", "-c", command).strip()

    def ctl(self, *words: str) -> Any:
        """What `ctl` says."""
        return json.loads(self("exec", "-T", "mock_metadata", "imds-mock", "ctl", *words, "--json"))


@pytest.fixture(scope="module")
def stack(
    docker: Docker, mock_image: str, debug_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    assert mock_image
    assert debug_image
    folder = tmp_path_factory.mktemp("identity")
    files = folder / "mock.yaml", folder / "applications.yaml"
    for file, text in zip(files, (MOCK, STACK), strict=True):
        file.write_text(text)
    stack = Stack(docker, *files)
    try:
        stack("up", "--detach", "--wait")
        for app in stack.apps():
            docker.await_log(app, "listening")
        yield stack
    finally:
        stack("down", "--volumes", "--timeout", "0")


def test_three_replicas_are_three_instances_whose_addresses_lead_to_them(stack: Stack) -> None:
    assert len(set(stack.ids().values())) == 3
    for app in stack.apps():
        address = stack.read(app, "meta-data/local-ipv4")
        assert stack.reached_at(address) == stack.docker("exec", app, "hostname").stdout.strip()
        document = json.loads(stack.read(app, "dynamic/instance-identity/document"))
        assert (document["privateIp"], document["instanceId"]) == (address, stack.ids()[app])
        # Any other hardware address would be made up.
        assert (
            stack.read(app, "meta-data/mac")
            == stack.docker("exec", app, "cat", "/sys/class/net/eth0/address").stdout.strip()
        )
    zones = {stack.read(app, "meta-data/placement/availability-zone") for app in stack.apps()}
    assert zones == {"us-east-1a", "us-east-1b", "us-east-1c"}


def test_a_variant_is_for_a_service(stack: Stack) -> None:
    worker, (first, *_) = f"{stack.project}-worker-1", stack.apps()
    assert stack.read(worker, "meta-data/iam/security-credentials/") == "worker-role"
    assert stack.read(worker, "meta-data/instance-life-cycle") == "spot"
    assert stack.read(first, "meta-data/iam/security-credentials/") == "my-role"
    seen = stack.ctl("whoami", "--caller", "worker")
    assert (seen["service"], seen["role"], seen["container"]) == ("worker", "worker-role", worker)
    assert seen["variants"] == ["0: service=worker"]


def test_a_container_on_two_networks_is_one_instance_with_two_interfaces(stack: Stack) -> None:
    worker = f"{stack.project}-worker-1"
    seen = stack.ctl("whoami", "--caller", worker)
    assert seen["networks"] == [f"{stack.project}_default", f"{stack.project}_other"]
    macs = stack.read(worker, "meta-data/network/interfaces/macs/").split()
    addresses = {stack.read(worker, f"meta-data/network/interfaces/macs/{mac}local-ipv4s") for mac in macs}
    assert addresses == set(seen["addresses"])
    assert addresses == set(stack.docker("exec", worker, "hostname", "-I").stdout.split())
    ids = {stack.ctl("whoami", "--caller", address)["instance_id"] for address in addresses}
    assert ids == {stack.read(worker, "meta-data/instance-id")}


def test_a_restarted_container_keeps_its_id_wherever_it_gets_its_address(stack: Stack) -> None:
    before = stack.ids()
    stack.docker("restart", stack.apps()[1])
    assert stack.ids() == before
    # Started in another order they get each other's addresses.
    stack("stop", "app")
    for app in reversed(stack.apps()):
        stack.docker("start", app)
    addresses = {app: stack.read(app, "meta-data/local-ipv4") for app in stack.apps()}
    assert stack.ids() == before
    for app, address in addresses.items():
        assert (
            stack.docker.inspect(app, f'(index .NetworkSettings.Networks "{stack.project}_default").IPAddress')
            == address
        )
    stack("up", "--detach", "--wait", "--force-recreate", "app")
    assert stack.ids() == before
