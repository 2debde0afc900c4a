"""What a temporary engine leaves behind if its run is ended: nothing but its data."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

# Runs a command next to a temporary engine, with data of its own and without images.
PROGRAM = """
import sys
from pathlib import Path
import engine, engine_install
plugins = engine_install.install(engine.CACHE)
engine.CACHE = Path(sys.argv[1])
engine.obstacle = lambda: "For a test."
engine.provide_debian = lambda suite, environment: None
engine_install.install = lambda cache: plugins
sys.exit(engine.run(sys.argv[2:]))
"""
# Of the engine's network on this machine, the address is known.
COMMAND = (
    'set -e; docker network create left >&2; echo $$; echo "$DOCKER_HOST"; echo "$TESTCONTAINERS_HOST_OVERRIDE"; '
    "exec sleep 120"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for temporary files, whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="imds-") as made:
        yield Path(made)
        subprocess.run(["rm", "-rf", "--one-file-system", Path(made, "data")], check=True)


def output(*words: str) -> list[str]:
    """The lines that a program prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def interfaces() -> dict[str, int]:
    """This machine's network interfaces: their indexes, which the kernel gives once, by their names."""
    return {name: index for index, name in socket.if_nameindex()}


def tables() -> dict[str, int]:
    """This machine's tables of rules: their handles, which the kernel gives once, by their names."""
    listed = json.loads("".join(output("nft", "--json", "--handle", "list", "tables")))["nftables"]
    return {each["table"]["name"]: each["table"]["handle"] for each in listed if "table" in each}


def processes(word: str) -> list[str]:
    """The command lines of the running processes that contain a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found.append(path.read_text(errors="replace").replace("\0", " "))
    return [line for line in found if word in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_a_signal_ends_cleans_up(folder: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder / "data", "sh", "-c", COMMAND],
        cwd=ROOT,
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": "scripts",
            "TMPDIR": str(folder),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        pid, host, address = (process.stdout.readline().strip() for _ in range(3))
        assert host.startswith(f"unix://{folder}/imds-engine-")
        assert any("dockerd" in line for line in processes(str(folder)))
        run = int(address.rpartition(".")[2]) // 4
        uplink, table = interfaces()[f"imdsengine{run}"], tables()[f"imds_engine{run}"]
        if number is signal.SIGINT:
            os.kill(int(pid), number)  # as from a terminal
        process.send_signal(number)
        assert process.wait(120) == 128 + number
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert [each.name for each in folder.iterdir()] == ["data"]
    assert processes(str(folder)) == []
    assert not Path("/proc", pid).exists()
    assert uplink not in interfaces().values()
    assert table not in tables().values()
