"""The image in place of amazon-ec2-metadata-mock's, with the same arguments and variables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.aemm import LEAVES, LISTINGS, MAC, SPOT
from support.containers import IMDS, INSTANCE_ID

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Docker

COMPOSE = """
services:
  mock_metadata:
    image: imds-mock
    command: {command}
    environment: {environment}
    healthcheck: {{interval: 1s}}
  debug:
    image: imds-shim-debug
    environment: {{MOCK_HOSTNAME: mock_metadata, MOCK_PORT: "{port}"}}
    command: [sleep, "3600"]
    stop_signal: SIGKILL
    cap_add: [NET_ADMIN]
    depends_on: {{mock_metadata: {{condition: service_healthy}}}}
"""


@pytest.mark.usefixtures("mock_image", "debug_image")
@pytest.mark.parametrize(
    ("command", "environment", "port"),
    [
        ('["-p", "80"]', '{AEMM_SPOT_ACTION: "stop"}', 80),
        ('["spot", "-d", "0", "--action", "stop"]', "{}", 1338),
        ('["serve", "--port", "80"]', '{AEMM_SERVER_PORT: "8111", AEMM_SPOT_ACTION: "stop"}', 8111),
    ],
)
def test_through_the_shim_in_compose(
    docker: Docker, tmp_path: Path, command: str, environment: str, port: int
) -> None:  # fmt: skip
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.format(command=command, environment=environment, port=port), "utf-8")
    compose = ("compose", "--project-name", docker.name(), "--file", str(file))
    try:
        docker(*compose, "up", "--detach", "--wait")
        docker.await_log(docker(*compose, "ps", "--quiet", "debug").stdout.strip(), " -> ")

        def ask(path: str) -> str:
            return docker(*compose, "exec", "-T", "debug", "curl", "-s", f"{IMDS}{path}").stdout

        assert ask("/latest/meta-data/instance-id") == INSTANCE_ID
        assert ask("/") == LISTINGS["/"]
        assert ask(f"{MAC}subnet-id") == LEAVES[f"{MAC}subnet-id"]["body"]
        assert json.loads(ask(SPOT))["action"] == "stop"
        assert "(compatibility aemm: " in docker(*compose, "logs", "mock_metadata").stdout
    finally:
        docker(*compose, "down", "--volumes", "--timeout", "0")


def test_the_program_is_where_it_was(docker: Docker, mock_image: str) -> None:
    done = docker("run", "--rm", "--entrypoint", "/ec2-metadata-mock", mock_image, "--version")
    assert done.stdout.startswith("v1.13.0 ")


def test_help_and_refusals_reach_the_user(docker: Docker, mock_image: str) -> None:
    assert "--mock-ip-count" in docker("run", "--rm", mock_image, "spot", "--help").stdout
    refused = docker("run", "--rm", mock_image, "spot", "--action", "explode", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "imds-mock: flag --action: expected one of terminate, hibernate, stop, got 'explode'\n"
