"""The override for a user's compose file: after `up`, every service reaches the mock."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.containers import IMDS, INSTANCE_ID
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.containers import Docker

# As people write them: a list of networks, a dependency in the short form, an entrypoint, a user, no capability.
COMPOSE = """
services:
  web:
    image: imds-application
    networks: [front, back]
    depends_on: [database]
    cap_drop: [ALL]
    user: "1000:1000"
  worker:
    image: imds-application
    entrypoint: [sh, -c, "exec sleep 3600"]
    networks:
      back:
        aliases: [jobs]
    environment:
      - SETTING=theirs
  database:
    image: imds-application
    networks: [back]
networks:
  front:
  back:
"""
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^docker compose .*(?:compose-override|imds\.override).*$", README, re.MULTILINE)
DEFAULT = "link-local-ip"
PATH = "/latest/meta-data/instance-id"
ASKED = {
    "link-local-ip": f"curl -s --max-time 30 {IMDS}{PATH}",
    "shared-namespace": f"curl -s --max-time 30 --retry 20 --retry-delay 1 --retry-connrefused {IMDS}{PATH}",
    "environment": f'curl -s --max-time 30 "$AWS_EC2_METADATA_SERVICE_ENDPOINT{PATH}"',
}


@pytest.fixture(scope="module")
def projects(
    docker: Docker, mock_image: str, shim_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[str]]]:
    """The project once for each way, up; gives the words that `docker` wants for it."""
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    docker.build("imds-application", ROOT / "examples/application")
    made = {way: project(docker, tmp_path_factory.mktemp(way), way) for way in ASKED}
    try:
        # At the same time, because each waits for the mock's first health check.
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda words: docker(*words, "up", "--detach"), made.values()))
        yield made
    finally:
        for words in made.values():
            docker(*words, "down", "--volumes", "--timeout", "1")


def project(docker: Docker, folder: Path, way: str) -> list[str]:
    """Write the compose file, and have its override printed as the README says."""
    printing, up = COMMANDS
    (folder / "compose.yaml").write_text(COMPOSE)
    name = docker.name()
    subprocess.run(
        ["sh", "-ec", printing if way == DEFAULT else printing.replace(" --file", f" --way {way} --file")],
        cwd=folder,
        env={**docker.environment, "COMPOSE_PROJECT_NAME": name},
        check=True,
    )
    _docker, compose, *words, last = shlex.split(up)
    assert (compose, last) == ("compose", "up")
    both = [compose, "--project-name", name, "--project-directory", str(folder)]
    both += [str(folder / word) if word.endswith(".yaml") else word for word in words]
    docker(*both, "config", "--quiet")
    return both


@pytest.mark.parametrize("service", ["web", "worker"])
@pytest.mark.parametrize("way", ASKED)
def test_the_services_find_the_mock(docker: Docker, projects: dict[str, list[str]], way: str, service: str) -> None:
    assert docker(*projects[way], "exec", "-T", service, "sh", "-c", ASKED[way]).stdout == INSTANCE_ID


@pytest.mark.parametrize("way", ASKED)
def test_what_was_theirs_is_theirs_still(docker: Docker, projects: dict[str, list[str]], way: str) -> None:
    inside = [*projects[way], "exec", "-T"]
    assert docker(*inside, "worker", "sh", "-c", 'echo "$SETTING"').stdout == "theirs\n"
    assert docker(*inside, "web", "getent", "hosts", "jobs", "database").returncode == 0
    assert docker(*inside, "worker", "cat", "/proc/1/comm").stdout == "sleep\n"
    status = docker(*inside, "web", "cat", "/proc/1/status").stdout
    assert {line.split()[1] for line in status.splitlines() if line.startswith("Cap")} == {"0" * 16}


def test_names_work_for_services_that_call_from_link_local_addresses(
    docker: Docker, projects: dict[str, list[str]]
) -> None:
    words = projects[DEFAULT]
    notice = f"curl -s -o /dev/null -w %{{http_code}} --max-time 30 {IMDS}/latest/meta-data/spot/instance-action"

    def ctl(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return docker(*words, "exec", "-T", "mock_metadata", "imds-mock", "ctl", *command, check=check)

    def ask(service: str) -> str:
        return docker(*words, "exec", "-T", service, "sh", "-c", notice).stdout

    armed = ctl("spot", "interrupt", "--target", "web")
    assert ("1 caller now" in armed.stdout, armed.stderr) == (True, "")
    assert (ask("web"), ask("worker")) == ("200", "404")
    assert ctl("assert", "--asked", "*/spot/*", "--by", "web", "--at-least", "1", "--at-most", "1").returncode == 0
    assert ctl("assert", "--saw", "spot-interruption", "--by", "worker", check=False).returncode == 1
    (seen,) = json.loads(ctl("requests", "--caller", "web", "--path", "*/spot/*", "--json").stdout)
    assert (seen["caller"].startswith("169.254."), seen["names"][1]) == (True, "web")
    assert "matches no caller" in ctl("spot", "interrupt", "--target", "wbe").stderr
