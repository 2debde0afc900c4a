"""The compose files of the repository and its pages work on each engine."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from imds_mock.errors import LOW_PORTS
from support.paths import ROOT

FILES = [ROOT / "docker-compose.yml", *sorted(ROOT.glob("examples/**/compose*.yaml"))]
FROM_REGISTRY = "${IMDS_REGISTRY-}"
OURS = re.compile(r"image: (.*)(?<!-)\b(imds-mock|imds-shim)\s")
FIRST_BLOCK = re.compile(r"```yaml\n((?:#.*\n)?services:\n  mock_metadata:\n.*?)```", re.DOTALL)


def mock_on_port_80(services: dict[str, Any]) -> dict[str, Any] | None:
    """The mock of a compose file, if it is to use port 80 without Docker's `link_local_ips`."""
    for service in services.values():
        networks = service.get("networks") or {}
        needs_docker = isinstance(networks, dict) and any(
            "link_local_ips" in (each or {}) for each in networks.values()
        )
        if (
            service.get("image") == FROM_REGISTRY + "imds-mock"
            and "--port" not in service.get("command", ())
            and not needs_docker
        ):
            return dict(service)
    return None


WITH_MOCK = [file for file in FILES if mock_on_port_80(yaml.safe_load(file.read_text())["services"])]


def test_there_are_compose_files() -> None:
    assert len(WITH_MOCK) == 8


@pytest.mark.parametrize("file", WITH_MOCK, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_mock_may_use_port_80_on_podman(file: Any) -> None:
    mock = mock_on_port_80(yaml.safe_load(file.read_text())["services"])
    assert mock is not None
    # podman-compose 1.0 fails with a mapping.
    assert mock["sysctls"] == [LOW_PORTS]


@pytest.mark.parametrize("file", [*FILES, ROOT / "examples/entrypoint-shim/stack.yaml"], ids=lambda file: file.name)
def test_images_come_from_the_registry_of_a_variable(file: Any) -> None:
    assert {prefix for prefix, _ in OURS.findall(file.read_text())} <= {FROM_REGISTRY}


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/images.md"])
def test_the_first_snippet_of_a_page_works_on_podman(page: str) -> None:
    block = FIRST_BLOCK.search((ROOT / page).read_text())
    assert block is not None
    assert yaml.safe_load(block[1])["services"]["mock_metadata"]["sysctls"] == [LOW_PORTS]
