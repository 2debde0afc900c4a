"""Install what an engine of our own consists of, from Debian packages alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# The first Debian release with Compose v2 and buildx. Their packages need glibc 2.34 alone, so they run on bookworm.
PLUGIN_SUITE = "trixie"
PLUGINS = ("docker-compose", "docker-buildx")
_PLUGIN_FOLDERS = ("usr/libexec/docker/cli-plugins", "usr/lib/docker/cli-plugins")
_PROGRAMS = {
    "dockerd": ("docker.io",),
    "docker": ("docker-cli", "docker.io"),
    "iptables": ("iptables",),
    "nft": ("nftables",),
    "ip": ("iproute2",),
    "setpriv": ("util-linux",),
    "mmdebstrap": ("mmdebstrap",),
}

# Where the stand-in for the base image keeps the machine's certificate authorities. Not where ca-certificates keeps its
# own: installing that package in a build would replace them.
_CA_BUNDLE = "/usr/local/share/machine-certificates.crt"
_MACHINE_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CA_VARIABLES = {"PIP_CERT": _CA_BUNDLE}


# The release to come. Its index is valid for a week, and a mirror that stands still serves it for longer.
COMING_SUITE = "testing"
_EXPIRED_TOO = 'Acquire::Check-Valid-Until "false"'

# What makes a Debian a "slim" one, and what Docker's own images tell apt: nothing of use twice stays in a layer.
_SLIM = (
    *("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/info/*"),
    *("path-exclude=/usr/share/locale/*", "path-include=/usr/share/locale/locale.alias"),
    *("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright"),
)
_APT_OPTIONS = (
    *('Dir::Cache::pkgcache ""', 'Dir::Cache::srcpkgcache ""', 'Acquire::Languages "none"'),
    *('Acquire::GzipIndexes "true"', 'Binary::apt::APT::Keep-Downloaded-Packages "false"'),
    'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; }',
)


class InstallError(Exception):
    """Something is missing and cannot be installed; the text says what."""


def install(cache: Path) -> Path:
    """Install the engine's programs where they are missing; returns the folder with docker's plugins.

    Raises:
        InstallError: There is no apt here, or it failed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    if missing := [packages for program, packages in _PROGRAMS.items() if shutil.which(program) is None]:
        _apt(["update"])
        # The client is a package of its own from trixie on.
        known = {name for packages in missing for name in packages if _is_known(name)}
        _apt(["install", "--yes", "--no-install-recommends", *sorted(known)])
    plugins = cache / "cli-plugins"
    if not all((plugins / name).exists() for name in PLUGINS):
        shutil.rmtree(plugins, ignore_errors=True)
        plugins.mkdir()
        for name, program in _find_plugins(cache).items():
            (plugins / name).symlink_to(program)
    return plugins


def _find_plugins(cache: Path) -> dict[str, Path]:
    found = _plugins_below(Path("/"))
    if len(found) < len(PLUGINS):
        unpacked = cache / "plugin-packages"
        _unpack_from_suite(PLUGIN_SUITE, PLUGINS, unpacked)
        found = _plugins_below(unpacked)
    if missing := set(PLUGINS) - set(found):
        raise InstallError(f"The packages {', '.join(sorted(missing))} of Debian hold no docker plugin.")
    return found


def _plugins_below(root: Path) -> dict[str, Path]:
    places = [(name, root / folder / name) for folder in _PLUGIN_FOLDERS for name in PLUGINS]
    return {name: place for name, place in places if place.exists()}


def _unpack_from_suite(suite: str, packages: Sequence[str], target: Path) -> None:
    """Unpack packages of another release, with a package index of their own: the system's never hears of it."""
    with tempfile.TemporaryDirectory() as scratch:
        # apt drops to this user for downloads.
        Path(scratch).chmod(0o755)
        sources = Path(scratch) / "sources.list"
        sources.write_text(f"deb {mirror()} {suite} main\n")
        for folder in ("lists/partial", "archives/partial", "debs"):
            (Path(scratch) / folder).mkdir(parents=True)
        options = [
            *("-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null"),
            *("-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache::Archives={scratch}/archives"),
            *("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root"),
        ]
        _apt([*options, "update"])
        _apt([*options, "download", *packages], Path(scratch) / "debs")
        for package in (Path(scratch) / "debs").glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, target], check=True)


def mirror() -> str:
    """Address of the Debian archive that this machine uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in listed.splitlines():
        origin, label, address = line.split(" ", 2)
        # Not the security archive, which calls itself Debian-Security.
        if (origin, label) == ("Debian", "Debian"):
            return address.rstrip("/")
    raise InstallError("apt knows no Debian archive here; run apt-get update and look at its sources.")


def bootstrap(suite: str, archive: Path) -> None:
    """Make a minimal Debian of one release as a tar archive; it takes about half a minute.

    Raises:
        InstallError: mmdebstrap failed.
    """
    if shutil.which("mmdebstrap") is None:
        raise InstallError(f"A {suite} image can neither be pulled nor made here: install mmdebstrap.")
    unfinished = archive.with_suffix(".partial.tar")
    apt_options = (*_APT_OPTIONS, _EXPIRED_TOO) if suite == COMING_SUITE else _APT_OPTIONS
    options = [f"--dpkgopt={option}" for option in _SLIM] + [f"--aptopt={option}" for option in apt_options]
    if _MACHINE_CA_BUNDLE.exists():
        options.append(f"--customize-hook=upload {_MACHINE_CA_BUNDLE} {_CA_BUNDLE}")
    command = ["mmdebstrap", "--variant=minbase", *options, suite, str(unfinished), mirror()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        unfinished.unlink(missing_ok=True)
        raise InstallError(f"mmdebstrap could not make a {suite} image: {done.stderr.strip().splitlines()[-1]}")
    unfinished.rename(archive)


def _is_known(package: str) -> bool:
    shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False).stdout
    return "Candidate:" in shown and "Candidate: (none)" not in shown


def _apt(words: Sequence[str], folder: Path | None = None) -> None:
    if shutil.which("apt-get") is None:
        raise InstallError("There is no Docker engine here, and no apt-get to install one with: start Docker yourself.")
    done = subprocess.run(
        ["apt-get", "--quiet", *words],
        cwd=folder,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or done.stderr.splitlines()[-1:]
        raise InstallError(f"apt-get {' '.join(w for w in words if not w.startswith('-'))} failed: {' '.join(said)}")
