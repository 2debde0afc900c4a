"""What becomes of the scripts behind make if their standard output cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

scripts = pytest.mark.parametrize("script", ["demo", "engine", "dist"])
ENVIRON = os.environ | {"PYTHONUNBUFFERED": ""}


def run_script(script: str, option: str, output: int, environ: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, ROOT / f"scripts/{script}.py", option],
        env=environ,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def reader_gone() -> Iterator[int]:
    """The writing end of a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@scripts
def test_a_reader_that_has_gone_ends_a_script_as_sigpipe_does(script: str, reader_gone: int) -> None:
    assert run_script(script, "--help", reader_gone, ENVIRON) == (141, "")


@scripts
def test_a_full_disk_is_one_sentence(script: str) -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        ended = run_script(script, "--help", full.fileno(), ENVIRON)
    assert ended == (74, f"{script}: cannot write its output: No space left on device\n")


def test_a_demo_whose_reader_has_gone_still_removes_its_containers(tmp_path: Path, reader_gone: int) -> None:
    called = tmp_path / "called"
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$*" >>{called}\n')
    docker.chmod(0o755)
    environ = ENVIRON | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert run_script("demo", "--compose", reader_gone, environ) == (141, "")
    assert called.read_text().splitlines()[-1].endswith(" down --volumes --timeout 2")
