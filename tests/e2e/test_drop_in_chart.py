"""The image as amazon-ec2-metadata-mock's Helm chart runs it: variables, no arguments, user id 1000."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.aemm import DOCUMENT, LEAVES, LISTINGS, SPOT
from support.containers import INSTANCE_ID

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Docker

# securityContext, resources and volume of the chart's Deployment (1.13), in Compose's words.
COMPOSE = """
services:
  aemm:
    image: imds-mock
    user: "1000:1000"
    read_only: true
    security_opt: ["no-new-privileges:true"]
    mem_limit: 128m
    volumes: {volumes}
    environment: {environment}
    healthcheck: {{interval: 1s}}
  debug:
    image: imds-shim-debug
    entrypoint: [sleep, "3600"]
    stop_signal: SIGKILL
    depends_on: {{aemm: {{condition: service_healthy}}}}
"""
DEFAULTS = {"AEMM_SERVER_HOSTNAME": "", "AEMM_MOCK_IP_COUNT": "2"}
"""What the chart sets with all its values as they are."""
PRODUCT_CODES = ["4i20aaaabbbbccccddddeeeef"]


@pytest.mark.usefixtures("mock_image", "debug_image")
@pytest.mark.parametrize(
    ("more", "config", "leaves"),
    [
        ({}, None, {}),
        (
            {"AEMM_CONFIG_FILE": "/config/aemm-config.json", "AEMM_SPOT_ACTION": "stop", "AEMM_IMDSV2": "false"},
            {"metadata": {"values": {"instance-type": "m6i.large"}}, "dynamic": {"values": {
                "instance-identity-document": {"marketplaceProductCodes": PRODUCT_CODES, "ramdiskId": None}}}},
            {"/latest/meta-data/instance-type": "m6i.large"},
        ),
    ],
)  # fmt: skip
def test_the_chart_s_container(
    docker: Docker, tmp_path: Path, more: dict[str, str], config: dict[str, object] | None, leaves: dict[str, str]
) -> None:
    volumes = []
    if config is not None:
        (tmp_path / "aemm-config.json").write_text(json.dumps(config), "utf-8")
        volumes.append(f"{tmp_path / 'aemm-config.json'}:/config/aemm-config.json:ro")
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.format(volumes=json.dumps(volumes), environment=json.dumps(DEFAULTS | more)), "utf-8")
    compose = ("compose", "--project-name", docker.name(), "--file", str(file))
    try:
        docker(*compose, "up", "--detach", "--wait")

        def ask(path: str) -> str:
            return docker(*compose, "exec", "-T", "debug", "curl", "-s", f"http://aemm:1338{path}").stdout

        assert ask("/") == LISTINGS["/"]
        assert ask("/latest/meta-data/instance-id") == INSTANCE_ID
        for path in ("/latest/meta-data/instance-type", "/latest/meta-data/mac"):
            assert ask(path) == leaves.get(path, LEAVES[path]["body"])
        assert json.loads(ask(SPOT))["action"] == more.get("AEMM_SPOT_ACTION", "terminate")
        document = json.loads(ask(DOCUMENT))
        assert document["marketplaceProductCodes"] == (PRODUCT_CODES if config else None)
        assert docker(*compose, "exec", "-T", "aemm", "imds-mock", "ctl", "status").returncode == 0
        logs = docker(*compose, "logs", "aemm").stdout
        assert "(compatibility aemm: the variable AEMM_" in logs
        assert "has no effect" not in logs
    finally:
        docker(*compose, "down", "--volumes", "--timeout", "0")


def test_without_arguments_and_variables_the_image_is_the_ordinary_mock(docker: Docker, mock_image: str) -> None:
    for environ, port in (((), 80), (("--env", "IMDS_MOCK_PORT=8080"), 8080)):
        name = docker.name()
        try:
            docker("run", "--detach", "--name", name, *environ, mock_image)
            docker("exec", name, "imds-mock", "health", "--pid", "1", "--wait", "20s")
            assert f":{port}" in docker("logs", name).stderr
            assert "compatibility aemm" not in docker("logs", name).stderr
        finally:
            docker("rm", "--force", name)
