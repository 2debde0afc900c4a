"""What the README tells a stranger to write works as it is written there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from containers import IMDS, INSTANCE_ID, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from containers import Docker


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def in_project(folder: Path, docker: Docker, compose: str, dockerfile: str) -> str:
    """Run a stranger's project until it is up, and ask in it what the README asks; gives the answer."""
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / "docker-compose.yml").write_text(compose)
    project = ["compose", "--project-name", docker.name(), "--file", str(folder / "docker-compose.yml")]
    try:
        docker(*project, "up", "--build", "--detach", "--wait")
        container = docker(*project, "ps", "--quiet", "app").stdout.strip()
        docker.await_log(container, " -> ")
        return docker(*project, "exec", "-T", "app", "curl", "-s", f"{IMDS}/latest/meta-data/instance-id").stdout
    finally:
        docker(*project, "down", "--volumes", "--timeout", "2", "--rmi", "local")


def test_the_two_lines_and_the_compose_file(docker: Docker, mock_image: str, shim_image: str, tmp_path: Path) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    dockerfile, _entrypoint = blocks("dockerfile")
    assert in_project(tmp_path, docker, blocks("yaml")[0], dockerfile) == INSTANCE_ID


def test_an_image_that_already_has_an_entrypoint(
    docker: Docker, mock_image: str, shim_image: str, tmp_path: Path
) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    dockerfile, entrypoint = blocks("dockerfile")
    (tmp_path / "docker-entrypoint.sh").write_text('#!/bin/sh\necho "entrypoint of the image" > /started\nexec "$@"\n')
    theirs = dockerfile.partition("COPY")[0] + "COPY --chmod=755 docker-entrypoint.sh /docker-entrypoint.sh\n"
    shim = "COPY" + dockerfile.partition("COPY")[2].partition("ENTRYPOINT")[0]
    command = entrypoint.replace('["your", "original", "command"]', '["sh", "-c", "cat /started; sleep 3600"]')
    assert in_project(tmp_path, docker, blocks("yaml")[0], theirs + shim + command) == INSTANCE_ID


def test_the_hardened_lines(docker: Docker, mock_image: str, shim_image: str, tmp_path: Path) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    dockerfile, _entrypoint = blocks("dockerfile")
    first, hardened = blocks("yaml")[:2]
    compose = first.partition("    environment:\n")[0] + hardened
    user = "RUN useradd --uid 1234 app\nCOPY"
    command = 'CMD ["sh", "-c", "id -u; grep ^Cap /proc/self/status; sleep 3600"]\n'
    made = dockerfile.replace("COPY", user, 1).partition("CMD")[0] + command
    assert in_project(tmp_path, docker, compose, made) == INSTANCE_ID
