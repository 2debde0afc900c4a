"""What a temporary engine keeps for the next run, with a program in docker's place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import engine_cache

if TYPE_CHECKING:
    from pathlib import Path

# Records its arguments, and lists what the files `containers` and `images` contain.
DOCKER = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >>calls
case "$1 $2" in
  "ps --all") cat containers ;;
  "image ls") cat images ;;
esac
"""
PRUNE = "system prune --force --volumes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    return tmp_path


def removing(folder: Path, containers: str, images: str) -> list[str]:
    """The calls of docker that list nothing."""
    (folder / "containers").write_text(containers)
    (folder / "images").write_text(images)
    engine_cache.tidy({"PATH": f"{folder}:{os.environ['PATH']}"})
    calls = (folder / "calls").read_text().splitlines()
    return [call for call in calls if not call.startswith(("ps", "image ls"))]


def test_containers_and_images_of_tests_are_removed_before_their_layers(folder: Path) -> None:
    images = (
        "imds-mock:latest\nimds-mock:0.1.0-arm64\ndebian:trixie-slim\nimds-e2e-tools:latest\nproject-app:latest\n"
        "<none>:<none>\n127.0.0.1:5000/team/imds-mock:0.1.0\n"
    )
    assert removing(folder, "c1\nc2\n", images) == [
        "rm --force --volumes c1 c2",
        "image rm --force imds-e2e-tools:latest project-app:latest 127.0.0.1:5000/team/imds-mock:0.1.0",
        PRUNE,
    ]


def test_images_that_the_next_run_uses_stay(folder: Path) -> None:
    images = "".join(f"{name}:latest\n" for name in engine_cache.KEPT)
    assert removing(folder, "", images) == [PRUNE]
