"""The compose file of this repository, unchanged, with Compose v2."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from support.containers import IMDS, INSTANCE_ID, Docker

if TYPE_CHECKING:
    from collections.abc import Iterator

WITH_TOKEN = (
    f'TOKEN=$(curl -s -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" {IMDS}/latest/api/token);'
    ' curl -s -H "X-aws-ec2-metadata-token: $TOKEN" '
)


class Project:
    """A compose project of the repository's file, under a name of its own."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._name = docker.name()

    def __call__(self, *words: str, check: bool = True) -> str:
        return self._docker("compose", "--project-name", self._name, *words, check=check).stdout

    def in_debug(self, script: str) -> str:
        return self("exec", "-T", "debug", "sh", "-c", script)

    def container(self, service: str) -> str:
        return self("ps", "--all", "--quiet", service).strip()


@contextlib.contextmanager
def project(docker: Docker) -> Iterator[Project]:
    made = Project(docker)
    try:
        yield made
    finally:
        made("down", "--volumes", "--timeout", "2")


@pytest.fixture(scope="module")
def stack(docker: Docker) -> Iterator[Project]:
    with project(docker) as made:
        made("up", "--build", "--detach", "--wait")
        docker.await_program(made.container("debug"), "sleep")
        yield made


def test_the_compose_file_is_valid(docker: Docker) -> None:
    assert docker("compose", "config", "--quiet").stdout == ""


def test_the_instance_id_of_the_transcript(stack: Project) -> None:
    assert stack("exec", "-T", "debug", "curl", "-s", f"{IMDS}/latest/meta-data/instance-id") == INSTANCE_ID


def test_version_two_of_the_service(stack: Project) -> None:
    assert stack.in_debug(f"{WITH_TOKEN} {IMDS}/latest/meta-data/placement/region") == "us-east-1"


def test_role_credentials(stack: Project) -> None:
    role = stack.in_debug(f"{WITH_TOKEN} {IMDS}/latest/meta-data/iam/security-credentials/")
    assert role
    assert "\n" not in role
    credentials = json.loads(stack.in_debug(f"{WITH_TOKEN} {IMDS}/latest/meta-data/iam/security-credentials/{role}"))
    assert credentials["Code"] == "Success"
    assert credentials["AccessKeyId"].startswith("ASIA")


def test_the_application_is_process_one_and_the_shim_is_gone(stack: Project) -> None:
    assert stack.in_debug("tr '\\0' ' ' < /proc/1/cmdline") == "sleep 3600 "
    assert stack.in_debug("cat /proc/[0-9]*/comm").split() == ["sleep", "sh"]


def test_the_shim_says_once_what_it_did(stack: Project, docker: Docker) -> None:
    logged = docker("logs", stack.container("debug"))
    assert logged.stdout == ""
    assert f"{IMDS.removeprefix('http://')}:80 -> " in logged.stderr
    assert "(mock_metadata)" in logged.stderr


def test_the_mock_is_healthy_and_does_not_run_as_root(stack: Project, docker: Docker) -> None:
    container = stack.container("mock_metadata")
    assert docker.inspect(container, ".State.Health.Status") == "healthy"
    assert docker.inspect(container, ".Config.User") not in ("", "0", "root", "0:0")


@pytest.mark.usefixtures("stack")  # the images are built
def test_an_application_started_before_the_mock_waits_and_then_works(docker: Docker) -> None:
    with project(docker) as early:
        early("up", "--detach", "debug")
        said = docker.await_log(early.container("debug"), "mock_metadata")
        assert " -> " not in said
        early("up", "--detach", "--wait", "mock_metadata")
        docker.await_log(early.container("debug"), " -> ")
        assert early.in_debug(f"curl -s {IMDS}/latest/meta-data/instance-id") == INSTANCE_ID


@pytest.mark.usefixtures("stack")  # the images are built
def test_the_mock_stops_cleanly_and_at_once(docker: Docker) -> None:
    with project(docker) as ending:
        ending("up", "--detach", "--wait", "mock_metadata")
        container = ending.container("mock_metadata")
        ending("stop", "--timeout", "20", "mock_metadata")
        assert docker.inspect(container, ".State.ExitCode") == 0
        assert "Traceback" not in docker("logs", container).stderr
