"""The commands and files of the README."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support import examples
from support.containers import IMDS, INSTANCE_ID
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.containers import Completed, Docker


README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


DRIVEN = re.findall(r"^(docker compose exec mock_metadata imds-mock ctl .*)$", README, re.MULTILINE)
(DOCTOR,) = re.findall(r"^(docker compose run .* --doctor)$", README, re.MULTILINE)
INSTANCE_ID_ASKED = ("curl", "-s", f"{IMDS}/latest/meta-data/instance-id")


@contextlib.contextmanager
def running_project(folder: Path, docker: Docker, compose: str, dockerfile: str) -> Iterator[tuple[str, ...]]:
    """Run a user's project until the block ends; yields the arguments of `docker` that select it."""
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / "docker-compose.yml").write_text(compose)
    project = ("compose", "--project-name", docker.name(), "--file", str(folder / "docker-compose.yml"))
    try:
        docker(*project, "up", "--build", "--detach", "--wait")
        container = docker(*project, "ps", "--quiet", "app").stdout.strip()
        docker.await_program(container, "sleep")
        yield project
    finally:
        docker(*project, "down", "--volumes", "--timeout", "2", "--rmi", "local")


def in_project(folder: Path, docker: Docker, compose: str, dockerfile: str, *queries: tuple[str, ...]) -> list[str]:
    """Start a user's project and run commands in its application; returns their output."""
    with running_project(folder, docker, compose, dockerfile) as project:
        return [docker(*project, "exec", "-T", "app", *question).stdout for question in queries]


def test_the_two_lines_and_the_compose_file(docker: Docker, mock_image: str, shim_image: str, tmp_path: Path) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    dockerfile, _entrypoint = blocks("dockerfile")
    (answer,) = in_project(tmp_path, docker, blocks("yaml")[0], dockerfile, INSTANCE_ID_ASKED)
    assert answer == INSTANCE_ID


class OwnStack:
    """Runs commands of the README in a clone, under the test's own project names."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self.name, self.second = docker.name(), docker.name()

    def __call__(self, command: str) -> Completed:
        typed = command.replace("--project-name second", f"--project-name {self.second}")
        environment = {**self._docker.environment, "COMPOSE_PROJECT_NAME": self.name}
        return subprocess.run(
            ["bash", "-c", typed],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def down(self) -> None:
        for name in (self.name, self.second):
            self._docker("compose", "--project-name", name, "down", "--volumes", "--timeout", "2")


@pytest.fixture(scope="module")
def own_stack(docker: Docker) -> Iterator[OwnStack]:
    stack = OwnStack(docker)
    try:
        yield stack
    finally:
        stack.down()


def test_the_transcripts_of_both_stacks_on_one_machine(own_stack: OwnStack) -> None:
    steps = examples.steps(README)
    assert [step.problem_with(own_stack(step.command)) for step in steps] == [""] * 6


def test_every_command_that_drives_the_mock_fits_the_own_stack(own_stack: OwnStack) -> None:
    interrupt, fault, requests, judge = DRIVEN
    for command in (interrupt, fault, requests):
        done = own_stack(command)
        assert done.returncode == 0, done.stderr
    assert "/latest/meta-data/instance-id" in done.stdout, "the journal shows what the application asked"
    judged = own_stack(judge)
    assert judged.returncode == 1
    assert "debug" in judged.stderr, "the client that uses version 1 is named"
    ask = f"docker compose exec debug curl -s -w '%{{http_code}}' -o /dev/null {IMDS}/latest/meta-data/iam/info"
    assert own_stack(ask).stdout == "503"
    armed = own_stack("docker compose exec mock_metadata imds-mock ctl events list").stdout
    assert re.search(r"spot.*pending.*debug", armed), armed


def test_the_doctor_examines_a_service_of_the_own_stack(own_stack: OwnStack) -> None:
    done = own_stack(DOCTOR)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "a start would work here"), done.stdout


def test_the_own_stack_goes_down_at_once(own_stack: OwnStack) -> None:
    """The engine waits 10 s if a process ignores SIGTERM."""
    began = time.monotonic()
    assert own_stack("docker compose down").returncode == 0
    assert time.monotonic() - began < 10


def test_the_doctor_is_asked_about_a_container_that_has_ended(
    docker: Docker, mock_image: str, shim_image: str, tmp_path: Path
) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    _docker, compose, run, *words = shlex.split(DOCTOR.replace(" debug ", " app "))
    dockerfile, _entrypoint = blocks("dockerfile")
    (tmp_path / "Dockerfile").write_text(dockerfile)
    (tmp_path / "docker-compose.yml").write_text(blocks("yaml")[0].replace("    cap_add: [NET_ADMIN]\n", ""))
    project = ("compose", "--project-name", docker.name(), "--file", str(tmp_path / "docker-compose.yml"))
    try:
        docker(*project, "up", "--build", "--detach")
        assert docker("wait", docker(*project, "ps", "--all", "--quiet", "app").stdout.strip()).stdout == "77\n"
        assert compose == project[0]
        done = docker(*project, run, "-T", *words, check=False)
        assert done.returncode == 77
        assert "    cap_add: [NET_ADMIN]\n" in done.stdout
    finally:
        docker(*project, "down", "--volumes", "--timeout", "2", "--rmi", "local")


def test_an_image_that_already_has_an_entrypoint(
    docker: Docker, mock_image: str, shim_image: str, tmp_path: Path
) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    dockerfile, entrypoint = blocks("dockerfile")
    (tmp_path / "docker-entrypoint.sh").write_text('#!/bin/sh\necho "entrypoint of the image" > /started\nexec "$@"\n')
    theirs = dockerfile.partition("COPY")[0] + "COPY --chmod=755 docker-entrypoint.sh /docker-entrypoint.sh\n"
    shim = "COPY" + dockerfile.partition("COPY")[2].partition("ENTRYPOINT")[0]
    command = entrypoint.replace('["your", "original", "command"]', '["sleep", "3600"]')
    queries = [INSTANCE_ID_ASKED, ("cat", "/started", "/proc/1/comm")]
    answers = in_project(tmp_path, docker, blocks("yaml")[0], theirs + shim + command, *queries)
    assert answers == [INSTANCE_ID, "entrypoint of the image\nsleep\n"]


def test_the_hardened_lines(docker: Docker, mock_image: str, shim_image: str, tmp_path: Path) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    dockerfile, _entrypoint = blocks("dockerfile")
    first, hardened = blocks("yaml")[:2]
    compose = first.partition("    environment:\n")[0] + hardened
    made = dockerfile.replace("COPY", "RUN useradd --uid 1234 --home-dir /srv/app app\nCOPY", 1)
    status = ("grep", "-E", "^(Uid|CapPrm|CapEff|CapBnd|CapInh|CapAmb):", "/proc/1/status")
    # Without SYS_PTRACE root may not read it, but the user may.
    as_the_user = ("setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups")
    home = (*as_the_user, "grep", "-az", "^HOME=", "/proc/1/environ")
    instance_id, application, told = in_project(tmp_path, docker, compose, made, INSTANCE_ID_ASKED, status, home)
    assert instance_id == INSTANCE_ID
    assert told.strip("\0") == "HOME=/srv/app"
    (_, *users), *sets = map(str.split, application.splitlines())
    assert users == ["1234"] * 4
    left = {name.rstrip(":"): int(value, 16) for name, value in sets}
    # NET_RAW, SETPCAP, SETUID and SETGID were given as well, and stay possible for a set-user-id program.
    assert left == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0, "CapBnd": 1 << 13 | 1 << 8 | 1 << 7 | 1 << 6}
