"""MOCK_INSTANCE with real containers: two services, a changed and a removed setting, a wrong word, a restarted mock."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.containers import IMDS, Docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKER = "role=worker-role,instance_life_cycle=spot,tags.Name=worker"
ROLE, ID = "meta-data/iam/security-credentials/", "meta-data/instance-id"
SHARED_ID = "i-1234567890abcdef0"


class Stack:
    """A mock and two applications; shared identity."""

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.docker = docker
        self.project = docker.name()
        self._file = folder / "compose.yaml"

    def up(self, *services: str, worker: str | None = WORKER) -> None:
        """Start, or recreate what has changed.

        Args:
            services: All of them if empty.
            worker: The worker's `MOCK_INSTANCE`.
        """
        settings = {"worker": {"MOCK_INSTANCE": worker, "MOCK_INSTANCE_NAME": "night-shift", "MOCK_FOLLOW": "1"}}
        if worker is None:
            settings = {}
        settings["web"] = {"MOCK_INSTANCE": json.dumps({"role": "web-role", "tags": {"Teams": "shop, mail"}})}
        application = {"image": "imds-shim-debug", "cap_add": ["NET_ADMIN"], "stop_signal": "SIGKILL"}
        document = {
            "services": {
                "mock_metadata": {"image": "imds-mock", "healthcheck": {"interval": "1s"}},
                **{
                    name: {**application, "environment": {"MOCK_HOSTNAME": "mock_metadata", **settings.get(name, {})}}
                    for name in ("worker", "web")
                },
            }
        }
        self._file.write_text(json.dumps(document))
        self("up", "--detach", "--wait", *services)

    def __call__(self, *words: str, check: bool = True) -> str:
        return self.docker("compose", "--project-name", self.project, "--file", self._file, *words, check=check).stdout

    def read(self, service: str, path: str) -> str:
        """What a service reads from the metadata."""
        return self("exec", "-T", service, "curl", "-sSf", f"{IMDS}/latest/{path}")

    def until_role(self, service: str, role: str) -> None:
        """Wait until a service reads a role; a container runs before its shim has set the rule."""
        limit = time.monotonic() + 60
        words = ("exec", "-T", service, "curl", "-s", "--max-time", "30", f"{IMDS}/latest/{ROLE}")
        while (read := self(*words, check=False)) != role:
            assert time.monotonic() < limit, f"{service} reads {read!r}, not {role!r}"

    def address(self, service: str) -> tuple[str, str]:
        """IP address and hardware address of a service's container."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}"
        ip, mac = self.docker("inspect", "-f", template, f"{self.project}-{service}-1").stdout.split()
        return ip, mac

    def ctl(self, *words: str) -> Any:
        """What `ctl` says."""
        return json.loads(self("exec", "-T", "mock_metadata", "imds-mock", "ctl", *words, "--json"))


@pytest.fixture(scope="module")
def stack(
    docker: Docker, mock_image: str, debug_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    assert mock_image
    assert debug_image
    stack = Stack(docker, tmp_path_factory.mktemp("announced"))
    try:
        stack.up()
        yield stack
    finally:
        stack("down", "--volumes", "--timeout", "0")


def test_two_containers_say_who_they_are(stack: Stack) -> None:
    stack.until_role("worker", "worker-role")
    stack.until_role("web", "web-role")
    ids = [stack.read(service, ID) for service in ("worker", "web")]
    assert len({*ids, SHARED_ID}) == 3
    assert stack.read("worker", "meta-data/instance-life-cycle") == "spot"
    assert stack.read("worker", "meta-data/local-ipv4") == stack.address("worker")[0]
    seen = stack.ctl("whoami", "--caller", "night-shift")
    assert (seen["instance_id"], seen["announced"]["instance"]["role"]) == (ids[0], "worker-role")
    assert stack.ctl("spot", "interrupt", "--target", "night-shift")["callers"] == 1
    assert "terminate" in stack.read("worker", "meta-data/spot/instance-action")
    missing = stack("exec", "-T", "web", "curl", "-s", f"{IMDS}/latest/meta-data/spot/instance-action")
    assert "404" in missing

    # Compose recreates the container, which gets the same address, and before Docker 28 the same hardware address.
    stack.up("worker", worker="role=other-role")
    stack.until_role("worker", "other-role")
    assert stack.read("worker", ID) == ids[0]
    stack("restart", "--timeout", "0", "worker")
    stack.until_role("worker", "other-role")

    stack("restart", "--timeout", "0", "mock_metadata")
    stack.until_role("worker", "other-role")

    stack.up("worker", worker=None)
    stack.until_role("worker", "my-role")
    assert stack.read("worker", ID) == SHARED_ID


def test_a_wrong_word_ends_the_container_with_78(stack: Stack) -> None:
    command = ("run", "--rm", "--no-deps", "-T", "-e", "MOCK_INSTANCE=rol=x", "worker", "true")
    done = stack.docker("compose", "--project-name", stack.project, "--file", stack._file, *command, check=False)
    assert done.returncode == 78
    assert "imds-shim: MOCK_INSTANCE: rol: unknown key; did you mean role?" in done.stderr
