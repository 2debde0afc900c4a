"""Builds for another platform: what the engine is asked, and what a release says where it cannot build one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dist
from foreign_platform import PlatformError, build_options

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = "linux/amd64"
# As Docker 20.10 says it.
NO_EMULATOR = """\
#5 [2/2] RUN ["true"]
#5 1.261 exec /usr/bin/true: exec format error
#5 ERROR: executor failed running [true]: exit code: 1
ERROR: failed to solve: executor failed running [true]: exit code: 1
"""
NO_IMAGE = "#2 ERROR: ...\nERROR: failed to solve: debian:trixie-slim: no match for platform in manifest"
ONLY = "To build for the engine's platform only, run make dist PLATFORMS=linux/amd64."


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what `docker build` says before it fails; without the file, it succeeds."""
    said = tmp_path / "said"
    programs = tmp_path / "bin"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >>{tmp_path}/calls\n'
        "case $1 in\n"
        f"version) echo {NATIVE} ;;\n"
        f"build) cat >>{tmp_path}/recipes; if [ -e {said} ]; then cat {said} >&2; exit 1; fi; true ;;\n"
        "esac\n"
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.delenv("IMDS_ENGINE_NETWORK", raising=False)
    return said


def test_the_engines_own_platform_needs_nothing(said: Path) -> None:
    assert build_options(NATIVE, NATIVE) == ()
    assert not (said.parent / "calls").exists()


def test_an_engine_that_runs_programs_of_the_platform_is_left_as_it_is(said: Path) -> None:
    assert build_options("linux/arm64", NATIVE) == ("--platform", "linux/arm64")
    assert (said.parent / "recipes").read_text() == 'FROM debian:trixie-slim\nRUN ["true"]\n'
    assert (said.parent / "calls").read_text().splitlines() == [
        "build --no-cache --platform linux/arm64 --tag imds-platform-trial -",
        "image rm imds-platform-trial",
    ]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            NO_EMULATOR,
            (
                "the engine cannot run programs for linux/arm64, as a build must; on its machine, run apt-get install "
                f"qemu-user-static. {ONLY}"
            ),
        ),
        (
            NO_IMAGE,
            (
                "the engine cannot build on debian:trixie-slim for linux/arm64: failed to solve: debian:trixie-slim: "
                f"no match for platform in manifest. {ONLY}"
            ),
        ),
    ],
)
def test_an_engine_that_cannot_build_for_the_platform(said: Path, error: str, sentence: str) -> None:
    said.write_text(error)
    with pytest.raises(PlatformError) as failed:
        build_options("linux/arm64", NATIVE)
    assert str(failed.value) == sentence


def test_a_temporary_engine_for_a_processor_without_a_known_emulator(
    said: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said.write_text(NO_IMAGE)
    monkeypatch.setenv("IMDS_ENGINE_NETWORK", "own")
    with pytest.raises(PlatformError) as failed:
        build_options("linux/riscv64", NATIVE)
    assert str(failed.value) == (
        f"images for linux/riscv64 cannot be built here: the known architectures are amd64, arm64. {ONLY}"
    )


def test_a_release_for_such_a_platform_ends_before_anything_is_built(
    said: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said.write_text(NO_EMULATOR)
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "earlier").touch()
    assert dist.main([str(folder)]) == 1
    assert capsys.readouterr().err.startswith("dist: the engine cannot run programs for linux/arm64, as a build must; ")
    assert [each.name for each in folder.iterdir()] == ["earlier"]
