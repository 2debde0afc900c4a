"""Builds images for a platform that is not the engine's, with an emulator and a base image for that platform.

The kernel starts programs for another processor with QEMU if it is registered (binfmt_misc). Docker Desktop registers
it, and so does Debian's package qemu-user-static. A temporary engine gets the emulator from Debian, which stays
registered until the machine restarts, and a bootstrapped base image if that cannot be pulled.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import engine_install
from debian_packages import PackageError, apt
from engine import BASE_IMAGE, CACHE, has_own_network, say

_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
_SUITE: Final = BASE_IMAGE.removeprefix("debian:").removesuffix("-slim")
_TRIAL: Final = "imds-platform-trial"
_EMULATORS: Final = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}
"""The emulator of each architecture, as Debian's package names it."""


class PlatformError(Exception):
    """The engine cannot build for a platform; the text gives the reason and what to do."""


def build_options(platform: str, native: str) -> tuple[str, ...]:
    """Prepare the engine for a platform.

    Args:
        platform: The platform to build for, such as `linux/arm64`.
        native: The engine's platform.

    Returns:
        Options for `docker build`.

    Raises:
        PlatformError: The engine cannot build for that platform.
    """
    if platform == native:
        return ()
    options: tuple[str, ...] = ("--platform", platform)
    said = _trial(platform, BASE_IMAGE)
    if said is None:
        return options
    if has_own_network(os.environ):
        try:
            base = _provide(platform)
        except PackageError as error:
            raise PlatformError(f"images for {platform} cannot be built here: {error} {_advice(native)}") from error
        said = _trial(platform, base)
        options = (*options, "--build-arg", f"BASE={base}")
    if said is None:
        return options
    if "exec format error" in said:
        raise PlatformError(
            f"the engine cannot run programs for {platform}, as a build must; on its machine, run apt-get install "
            f"qemu-user-static. {_advice(native)}"
        )
    reason = said.rpartition("\n")[2].removeprefix("ERROR: ")
    raise PlatformError(f"the engine cannot build on {BASE_IMAGE} for {platform}: {reason}. {_advice(native)}")


def _advice(native: str) -> str:
    return f"To build for the engine's platform only, run make dist PLATFORMS={native}."


def _trial(platform: str, base: str) -> str | None:
    """Run a program of a base image in a build; returns the build's log if that fails, and None if it ran."""
    # A cached step would run nothing. `--quiet` would leave the program's own error out.
    command = ["docker", "build", "--no-cache", "--platform", platform, "--tag", _TRIAL, "-"]
    recipe = f'FROM {base}\nRUN ["true"]\n'
    done = subprocess.run(command, input=recipe, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"{done.stdout}{done.stderr}".strip()
    subprocess.run(["docker", "image", "rm", _TRIAL], capture_output=True, check=False)
    return None


def _provide(platform: str) -> str:
    """Register the emulator and bootstrap the base image; returns the image's name."""
    architecture = platform.rpartition("/")[2]
    emulator = _EMULATORS.get(architecture)
    if emulator is None:
        raise PackageError(f"the known architectures are {', '.join(_EMULATORS)}.")
    _register(emulator)
    if _trial(platform, BASE_IMAGE) is None:
        return BASE_IMAGE
    image = f"{BASE_IMAGE}-{architecture}"
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0:
        return image
    archive = CACHE / f"base-{_SUITE}-{architecture}.tar"
    if not archive.exists():
        say(f"cannot pull {BASE_IMAGE} for {platform}; bootstrapping a replacement from the Debian mirror (10 minutes)")
        engine_install.bootstrap(_SUITE, archive, architecture)
    settings = "".join(f"ENV {name}={value}\n" for name, value in engine_install.CA_VARIABLES.items())
    # `docker import --platform` of Docker 20.10 stores the engine's own architecture; a build does not.
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        (Path(folder) / "base.tar").hardlink_to(archive)
        (Path(folder) / "Dockerfile").write_text(f'FROM scratch\nADD base.tar /\n{settings}CMD ["bash"]\n')
        command = ["docker", "build", "--quiet", "--platform", platform, "--tag", image, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackageError(f"{image} cannot be built: {done.stderr.strip().splitlines()[-1]}.")
    return image


def _register(emulator: str) -> None:
    """Let the kernel start programs with an emulator, as systemd does where it runs."""
    if (_BINFMT / emulator).exists():
        return
    say(f"installing {emulator} from Debian, and registering it until the machine restarts")
    apt(["update"])
    apt(["install", "--yes", "--no-install-recommends", "qemu-user-static", "arch-test"])
    if not (_BINFMT / "register").exists():
        mounted = subprocess.run(
            ["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], capture_output=True, text=True, check=False
        )
        if mounted.returncode != 0:
            raise PackageError(f"the kernel cannot use an emulator: {mounted.stderr.strip()}.")
    if not (_BINFMT / emulator).exists():
        (_BINFMT / "register").write_text(Path(f"/usr/lib/binfmt.d/{emulator}.conf").read_text().strip())
