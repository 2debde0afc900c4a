"""Installs the engines of the tier `engines`, from Debian packages only and apart from the machine's own.

Docker's programs are unpacked into a folder and run on the machine, with the machine's runc, because Debian's newer one
needs a newer C library. Podman gets a whole Debian root directory: its programs depend on each other's versions.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import engine_install
from debian_packages import PackageError, mirror, unpack_from_suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "engines"
_DOCKER_PACKAGES = ("docker.io", "docker-cli", "containerd", "docker-compose")
# Nothing starts these: containerd's client and older shims, Podman's own tests, units of systemd. The rest is text.
_UNUSED_BY_DOCKER = (
    *("usr/bin/ctr", "usr/bin/containerd-shim", "usr/bin/containerd-shim-runc-v1"),
    *("usr/lib", "usr/share"),
)
_UNUSED_BY_PODMAN = ("usr/libexec/podman/podman-testing",)
_PODMAN_PACKAGES = (
    *("podman", "netavark", "aardvark-dns", "crun", "passt", "uidmap", "catatonit", "podman-compose"),
    *("docker-cli", "docker-compose", "nftables", "iproute2", "procps", "curl"),
)
_UNFINISHED = ".unfinished"
# Health checks are systemd timers, and there is no systemd. Where cgroup2 has no controllers, a limit fails.
_CONTAINERS_CONF = """\
[containers]
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """A folder on disk for the data of one run's engines, removed at its end; also removes those of killed runs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # No other run has the lock, so these belong to none.
            _remove(*CACHE.glob("run-*"))
        fcntl.flock(lock, fcntl.LOCK_SH)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=CACHE))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            _remove(folder)


def docker(suite: str) -> Path:
    """Provide the programs of a Debian release's Docker; returns the folder that contains `usr`.

    Raises:
        PackageError: a package is missing, or apt failed.
    """
    target = CACHE / f"docker-{suite}"
    engine_install.install_programs()  # runc, iptables and the other programs that dockerd uses
    if not target.exists():
        unfinished = _fresh(target)
        unpack_from_suite(suite, _DOCKER_PACKAGES, unfinished)
        _remove(*(unfinished / unused for unused in _UNUSED_BY_DOCKER))
        unfinished.rename(target)
    return target


def podman(suite: str) -> Path:
    """Provide a Debian root directory with Podman, docker compose and podman-compose; this takes about 90 s.

    Raises:
        PackageError: mmdebstrap cannot be installed, or failed.
    """
    target = CACHE / f"podman-{suite}"
    engine_install.install_programs()  # mmdebstrap
    if not target.exists():
        unfinished = _fresh(target)
        _run(
            [
                *("mmdebstrap", "--variant=minbase", f"--include={','.join(_PODMAN_PACKAGES)}"),
                *(f"--dpkgopt={option}" for option in engine_install.SLIM),
                *(f"--aptopt={option}" for option in (*engine_install.APT_OPTIONS, engine_install.EXPIRED_TOO)),
                *(suite, str(unfinished), mirror()),
            ]
        )
        _remove(*(unfinished / unused for unused in _UNUSED_BY_PODMAN))
        _configure(unfinished)
        unfinished.rename(target)
    return target


def _configure(root: Path) -> None:
    (root / "etc/containers/containers.conf").write_text(_CONTAINERS_CONF)
    # No name server, so that names that the engine does not know fail at once.
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    for name, line in (("passwd", "user:x:1000:1000::/home/user:/bin/bash"), ("group", "user:x:1000:")):
        with (root / "etc" / name).open("a") as file:
            file.write(f"{line}\n")
    for name in ("subuid", "subgid"):
        (root / "etc" / name).write_text("user:100000:65536\n")


def _fresh(target: Path) -> Path:
    unfinished = target.with_name(target.name + _UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    return unfinished


def _remove(*paths: Path) -> None:
    # An engine that still ends may write to its folder; what stays is removed by the next run.
    subprocess.run(["rm", "-rf", "--one-file-system", "--", *paths], capture_output=True, check=False)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PackageError(f"{command[0]} failed: {done.stderr.strip().splitlines()[-1]}")
