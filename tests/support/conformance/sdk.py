"""An AWS SDK under test: how its program is built, its version, and what it lacks."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from support.paths import ROOT
from support.real_clients import IPV6_MODE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SOURCES: Final = ROOT / "tests" / "conformance"
CACHE: Final = ROOT / ".cache" / "conformance"

IMDS_CREDENTIALS: Final = "imds-credentials"
REGION: Final = "region"
METADATA: Final = "metadata"
METADATA_ASYNC: Final = "metadata-async"
CONTAINER_CREDENTIALS: Final = "container-credentials"
CASES: Final = (IMDS_CREDENTIALS, REGION, METADATA, METADATA_ASYNC, CONTAINER_CREDENTIALS)
NO_IPV6: Final = "IPv6"


def over_ipv6(case: str) -> str:
    """The name of a case with the IPv6 endpoint, for what an SDK lacks."""
    return f"{case} over {NO_IPV6}"


def over_imdsv2(case: str) -> str:
    """The name of a case with session tokens, for what an SDK lacks."""
    return f"{case} over IMDSv2"


@dataclass(frozen=True)
class Sdk:
    """An SDK, or one of its ways to the metadata service.

    Attributes:
        name: Its name in the tables.
        prepare: Builds the program if its inputs have changed, and returns its command line; the case and its argument
            are appended. Downloads happen here, because the program itself runs without a way out.
        version: Returns the version that the lock file pins.
        lacks: Cases that it lacks, each with the reason; `over_ipv6(case)` if the case lacks only the IPv6 endpoint,
            `NO_IPV6` if the SDK has no setting for that endpoint; `over_imdsv2(case)` if the case uses IMDSv1 only.
        ipv6: Variables that select the IPv6 endpoint.
        variables: Variables for every run.
    """

    name: str
    prepare: Callable[[], Sequence[str | Path]]
    version: Callable[[], str]
    lacks: Mapping[str, str] = field(default_factory=dict)
    ipv6: Mapping[str, str] = field(default_factory=lambda: IPV6_MODE)
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.lacks) - {*CASES, *map(over_ipv6, CASES), *map(over_imdsv2, CASES), NO_IPV6}
        assert not unknown, f"{self.name}: unknown cases {sorted(unknown)}"


def built(key: str, build: Callable[[Path], None], *versions: str) -> Path:
    """The folder of this name in `.cache/conformance`, with what `build` made of the one in `tests/conformance`.

    Builds again only if a file of the source folder or one of `versions` has changed.

    Args:
        key: Name of both folders.
        build: Fills the folder, which is empty.
        versions: Further inputs, such as the output of `go version`.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / key
    inputs = hashlib.sha256("\0".join(versions).encode())
    for file in sorted(
        file for file in (SOURCES / key).rglob("*") if file.is_file() and "__pycache__" not in file.parts
    ):
        inputs.update(f"\0{file.relative_to(SOURCES)}\0".encode() + file.read_bytes())
    with (CACHE / f"{key}.lock").open("w") as lock:
        # Test runs in the same checkout share the programs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "stamp"
        if not stamp.exists() or stamp.read_text() != inputs.hexdigest():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            stamp.write_text(inputs.hexdigest())
    return folder


def run_build(*argv: str | Path, folder: Path, **variables: str) -> str:
    """Run a step of a build in a folder; returns its output, or fails with the last lines of it."""
    done = subprocess.run(
        argv,
        cwd=folder,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).strip().splitlines()[-20:]
    assert done.returncode == 0, "\n".join([f"failed: {' '.join(map(str, argv))}", *said])
    return done.stdout


def install_python(environment: Path, lock: Path) -> None:
    """Create a virtual environment with the packages of a lock file that has hashes."""
    run_build(sys.executable, "-m", "venv", environment, folder=lock.parent)
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:")
    run_build(environment / "bin/python", "-m", "pip", "install", *options, "-r", lock, folder=lock.parent)
