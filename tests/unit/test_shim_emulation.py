"""An emulated image is told by the ELF header of the running program, which is the emulator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_shim.emulation import emulated_image

if TYPE_CHECKING:
    from pathlib import Path

AMD64, ARM64, I386 = 62, 183, 3


def program(folder: Path, machine: int) -> Path:
    """A file with the ELF header of a program for a machine."""
    path = folder / "program"
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(44))
    return path


@pytest.mark.parametrize(
    ("machine", "image", "sentence"),
    [
        (ARM64, "x86_64", "this is an amd64 image on an arm64 kernel; build or pull the arm64 one"),
        (AMD64, "aarch64", "this is an arm64 image on an amd64 kernel; build or pull the amd64 one"),
        (AMD64, "riscv64", "this is a riscv64 image on an amd64 kernel; build or pull the amd64 one"),
    ],
)
def test_both_processors_are_named(tmp_path: Path, machine: int, image: str, sentence: str) -> None:
    assert (emulated_image(program(tmp_path, machine), image) or "").partition(". ")[0] == sentence


# A 32-bit image runs on a 64-bit kernel without an emulator.
@pytest.mark.parametrize(
    ("machine", "image"), [(AMD64, "x86_64"), (ARM64, "aarch64"), (I386, "x86_64"), (AMD64, "i686")]
)
def test_an_image_that_the_processor_runs_is_not_emulated(tmp_path: Path, machine: int, image: str) -> None:
    assert emulated_image(program(tmp_path, machine), image) is None


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF"])
def test_an_unreadable_program_says_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "program").write_bytes(content)
    assert emulated_image(tmp_path / "program", "x86_64") is None


def test_this_process_is_not_emulated() -> None:
    assert emulated_image() is None
