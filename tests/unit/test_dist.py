"""A release: images for another processor, which this machine may not be able to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dist
from release_packages import BuildError

if TYPE_CHECKING:
    from pathlib import Path

TAG = "imds-mock:0.1.0-arm64"
FOREIGN = ("--platform", "linux/arm64")
AMD64, ARM64 = 62, 183
# As Docker 20.10 says it.
NO_EMULATOR = "standard_init_linux.go:228: exec user process caused: exec format error"


def program(machine: int) -> bytes:
    """The start of a program for a processor."""
    return b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + machine.to_bytes(2, "little")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine that prints what is in the file `printed`, or fails with what is in the file `said`."""
    file = tmp_path / "docker"
    file.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n'
        f"[ ! -e {tmp_path}/said ] || {{ cat {tmp_path}/said >&2; exit 1; }}\ncat {tmp_path}/printed\n"
    )
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_an_image_is_started(docker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (docker / "printed").write_text("imds-mock 0.1.0\n")
    dist._start(TAG, "0.1.0", FOREIGN)
    assert (docker / "calls").read_text() == f"run --rm --network none --platform linux/arm64 {TAG} --version\n"
    assert capsys.readouterr().out == ""


def test_an_image_that_the_machine_cannot_run_is_named(docker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (docker / "said").write_text(NO_EMULATOR)
    dist._start(TAG, "0.1.0", FOREIGN)
    assert capsys.readouterr().out == f"dist: {TAG} was not started: this machine runs no programs for linux/arm64\n"


@pytest.mark.parametrize(("options", "said"), [((), NO_EMULATOR), (FOREIGN, "imds-mock: cannot start: memory")])
def test_an_image_that_fails_ends_the_release(docker: Path, options: tuple[str, ...], said: str) -> None:
    (docker / "said").write_text(said)
    with pytest.raises(BuildError, match=said):
        dist._start(TAG, "0.1.0", options)


def test_an_image_of_another_version_ends_the_release(docker: Path) -> None:
    (docker / "printed").write_text("imds-mock 0.0.9\n")
    with pytest.raises(BuildError, match=r"printed 'imds-mock 0\.0\.9'; its version should be 0\.1\.0"):
        dist._start(TAG, "0.1.0", ())


def test_a_program_for_another_processor_ends_the_release(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/imds-mock").write_bytes(program(ARM64))
    (tmp_path / "LICENSE").write_text("text")
    dist._require_machine(tmp_path, "arm64", TAG)
    (tmp_path / "lib.so").write_bytes(program(AMD64))
    with pytest.raises(BuildError) as failed:
        dist._require_machine(tmp_path, "arm64", TAG)
    assert str(failed.value) == (
        f"lib.so of {TAG} is not for arm64; the engine must build with BuildKit, which the package docker-buildx brings"
    )
