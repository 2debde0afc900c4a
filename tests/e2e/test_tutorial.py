"""docs/tutorial.md, from an empty folder to the automated test."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.examples import files, steps
from support.paths import DOCS

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Completed, Docker

PAGE = (DOCS / "tutorial.md").read_text()


def test_every_step(docker: Docker, mock_image: str, shim_image: str, tmp_path: Path) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    for name, text in files(PAGE).items():
        (tmp_path / name).write_text(text)
    project = docker.name()

    def run(command: str) -> Completed:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env={**docker.environment, "COMPOSE_PROJECT_NAME": project},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    try:
        for step in steps(PAGE):
            assert step.problem_with(run(step.command)) == ""
    finally:
        run("docker compose down --timeout 2 --rmi local")
