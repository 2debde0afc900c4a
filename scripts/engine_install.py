"""Installs the programs of a temporary engine, from Debian packages only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from debian_packages import PackageError, apt, is_known, mirror, unpack_from_suite

# The first Debian release with Compose v2 and buildx. These packages only need glibc 2.34, so they run on bookworm.
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

# The machine's certificate authorities in the replacement for the base image. Not the path of the package
# ca-certificates, which would overwrite the file.
_CA_BUNDLE = "/usr/local/share/machine-certificates.crt"
_MACHINE_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CA_VARIABLES = {"PIP_CERT": _CA_BUNDLE}


# The next release. Its index is valid for a week, but an outdated mirror serves it longer.
COMING_SUITE = "testing"
EXPIRED_TOO = 'Acquire::Check-Valid-Until "false"'

# mmdebstrap moves the programs of Debian 12 to /usr. Otherwise Debian's usrmerge does it, which needs 45 MB of Perl.
_MERGED_USR = {"bookworm": Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")}

# As in Docker's own "slim" images: no documentation, no translations, no caches of apt, and no waiting for the disk.
SLIM = (
    "force-unsafe-io",
    *("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/info/*"),
    *("path-exclude=/usr/share/locale/*", "path-include=/usr/share/locale/locale.alias"),
    *("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright"),
)
APT_OPTIONS = (
    *('Dir::Cache::pkgcache ""', 'Dir::Cache::srcpkgcache ""', 'Acquire::Languages "none"'),
    *('Acquire::GzipIndexes "true"', 'Binary::apt::APT::Keep-Downloaded-Packages "false"'),
    'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; }',
)


def install_programs() -> None:
    """Install the missing ones of the programs that an engine uses.

    Raises:
        PackageError: apt is missing or failed.
    """
    if missing := [packages for program, packages in _PROGRAMS.items() if shutil.which(program) is None]:
        apt(["update"])
        # Since trixie, the client is a separate package.
        known = {name for packages in missing for name in packages if is_known(name)}
        apt(["install", "--yes", "--no-install-recommends", *sorted(known)])


def install(cache: Path) -> Path:
    """Install the engine's missing programs; returns the folder with docker's plugins.

    Raises:
        PackageError: apt is missing or failed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    install_programs()
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
        unpack_from_suite(PLUGIN_SUITE, PLUGINS, unpacked)
        found = _plugins_below(unpacked)
    if missing := set(PLUGINS) - set(found):
        raise PackageError(f"Debian's packages {', '.join(sorted(missing))} contain no docker plugin.")
    return found


def _plugins_below(root: Path) -> dict[str, Path]:
    places = [(name, root / folder / name) for folder in _PLUGIN_FOLDERS for name in PLUGINS]
    return {name: place for name, place in places if place.exists()}


def bootstrap(suite: str, archive: Path) -> None:
    """Write a minimal Debian release as a tar archive; this takes about 30 s.

    Args:
        suite: Name of the Debian release.
        archive: The file to write.

    Raises:
        PackageError: mmdebstrap failed.
    """
    if shutil.which("mmdebstrap") is None:
        raise PackageError(
            f"A {suite} image cannot be pulled, and mmdebstrap, which could create it, is missing; install mmdebstrap."
        )
    apt_options = (*APT_OPTIONS, EXPIRED_TOO) if suite == COMING_SUITE else APT_OPTIONS
    options = [f"--dpkgopt={option}" for option in SLIM] + [f"--aptopt={option}" for option in apt_options]
    if (hooks := _MERGED_USR.get(suite)) and hooks.exists():
        options.append(f"--hook-directory={hooks}")
    if _MACHINE_CA_BUNDLE.exists():
        options.append(f"--customize-hook=upload {_MACHINE_CA_BUNDLE} {_CA_BUNDLE}")
    command = ["mmdebstrap", "--variant=minbase", *options, suite, str(archive), mirror()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PackageError(f"mmdebstrap cannot create a {suite} image: {done.stderr.strip().splitlines()[-1]}")
