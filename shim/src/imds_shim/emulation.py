"""Recognizes an emulated image: the processor that the image is built for is not the kernel's.

qemu-user passes neither the sockets' options nor the netlink messages with which rules are set on to the kernel, which
then seems to have no nat table (measured). It pretends in `uname` and /proc/self/exe, but not in /proc/thread-self/exe,
which is the emulator: its ELF header names the processor of the kernel.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imds_shim.system import StrPath

_RUNNING_PROGRAM = "/proc/thread-self/exe"
_MACHINE_OFFSET, _MACHINE_BYTES = 18, 2  # e_machine in the ELF header (elf(5))
# Machines on which emulated images are common, by e_machine, and images by the machine in `uname`.
_KERNELS = {62: "amd64", 183: "arm64"}
_IMAGES = {
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "ppc64le": "ppc64le", "riscv64": "riscv64",
    "s390x": "s390x",
}  # fmt: skip
_AN = {"amd64": "an", "arm64": "an", "arm/v7": "an", "s390x": "an"}


def emulated_image(program: StrPath = _RUNNING_PROGRAM, machine: str | None = None) -> str | None:
    """Return a sentence that names both processors and what to do, or None if the image is not emulated.

    Args:
        program: file of the running program.
        machine: the machine that `uname` gives.
    """
    try:
        with open(program, "rb") as file:  # noqa: PTH123 - pathlib takes 2 ms to import
            header = file.read(_MACHINE_OFFSET + _MACHINE_BYTES)
    except OSError:
        return None
    kernel = _KERNELS.get(int.from_bytes(header[_MACHINE_OFFSET:], "little"))
    image = _IMAGES.get(os.uname().machine if machine is None else machine)
    if kernel is None or image is None or kernel == image:
        return None
    return (
        f"this is {_AN.get(image, 'a')} {image} image on {_AN.get(kernel, 'a')} {kernel} kernel; build or pull the "
        f"{kernel} one. An emulated image cannot change the kernel's rules and routes"
    )
