"""Tests of the shim on the real kernel: an application's and a mock's network namespace, connected by a veth pair."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from netlab import Lab
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from netlab import Namespace

SHIM = ROOT / ".venv/bin/imds-shim"
IMDS = "169.254.169.254"
APP, MOCK, MOVED = "10.77.0.2", "10.77.0.1", "10.77.0.3"


class ShimLab:
    """`app` (10.77.0.2, with a default route) and `mock` (10.77.0.1); a context manager."""

    def __init__(self, folder: Path) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = folder
        self.lab = self._stack.enter_context(Lab())
        self.app = self.lab.namespace("app")
        self.mock = self.lab.namespace("mock")
        self.links = self.lab.link(self.app, self.mock, [f"{APP}/24"], [f"{MOCK}/24"])
        self.app.ip("route", "add", "default", "via", MOCK)
        self.hosts = folder / "hosts"
        self.name("mock", MOCK)
        self.app.bind(self.hosts, "/etc/hosts")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def name(self, host: str, *addresses: str) -> None:
        """Set the addresses of a name in the hosts file."""
        self.hosts.write_text("".join(f"{address} {host}\n" for address in addresses), encoding="ascii")

    def serve(
        self, address: str = MOCK, mock_id: str = "first", port: int = 80, where: Namespace | None = None
    ) -> subprocess.Popen[str]:
        """Start a small IMDS and wait until it listens; it ends with the lab."""
        program = [sys.executable, str(ROOT / "tests/support/fake_imds.py"), address, str(port), mock_id]
        server = (where or self.mock).popen(program, stdout=subprocess.PIPE)
        self._stack.callback(end, server)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        return server

    def shim(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the shim in `app`; keyword arguments in capitals are settings, the others are for `run`."""
        settings = {key: str(options.pop(key)) for key in list(options) if key.isupper()}
        return self.app.run([SHIM, *arguments], env=environment(**settings), **{"check": False, **options})

    def start_shim(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start the shim in `app` with pipes; it ends with the lab."""
        settings = {key: str(options.pop(key)) for key in list(options) if key.isupper()}
        return self.start_in_app([SHIM, *arguments], env=environment(**settings), **options)

    def start_in_app(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        """Start a program in `app` with pipes; it ends with the lab."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = self.app.popen(command, **{**pipes, **options})
        self._stack.callback(end, process)
        return process

    def python(self, code: str, *arguments: str, **options: Any) -> str:
        """Run Python code in `app` and return what it printed."""
        return self.app.run([sys.executable, "-c", code, *arguments], **options).stdout

    def ask(self, path: str = "/", host: str = IMDS) -> str:
        """Return the response that a client in `app` gets from 169.254.169.254."""
        return self.app.run(["curl", "-sS", "--max-time", "30", f"http://{host}{path}"]).stdout

    def tool(self, *words: str, text: str | None = None) -> str:
        """Run a firewall program in `app`, with a writable lock file."""
        lock = {"XTABLES_LOCKFILE": str(self._folder / "xtables.lock")}
        return self.app.run(list(words), input=text, env=os.environ | lock).stdout

    def foreign(self, *save: Sequence[str]) -> str:
        """Return the programs' output without the shim's rules and lines with the time."""
        lines = "".join(self.tool(*words) for words in save).splitlines()
        return "\n".join(line for line in lines if "imds-shim" not in line and not line.startswith("#"))


def environment(**settings: str) -> dict[str, str]:
    """Return a small environment with MOCK_HOSTNAME=mock; a setting of '' removes a variable."""
    # A home directory without ~/.aws, of which the shim would warn.
    given = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "MOCK_HOSTNAME": "mock", "MOCK_TIMEOUT_SECONDS": "60"}
    given |= settings
    return {name: value for name, value in given.items() if value}


def end(process: subprocess.Popen[str]) -> None:
    """Kill the process if it still runs, and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def open_to_all(space: Namespace, *places: Path) -> None:
    """Let every user in the namespace reach these directories; a working copy may be below root's home directory."""
    hidden = {
        next((above for above in reversed(place.parents) if not above.stat().st_mode & 0o001), None) for place in places
    }
    space.run(["sh", "-ec", _OPEN, "sh", " ".join(sorted(str(above) for above in hidden if above)), *places])


def close_to_others(space: Namespace, place: Path) -> None:
    """Let only root enter this directory in the namespace, as below a home directory with mode 700."""
    space.run(["sh", "-ec", _CLOSE, "sh", place])


# Bind-mounts the content elsewhere, mounts an empty directory with that mode, then bind-mounts the content into it.
_CLOSE = """
aside=$(mktemp -d)
mount --rbind "$1" "$aside"
mount -t tmpfs -o mode=700 none "$1"
find "$aside" -mindepth 1 -maxdepth 1 -printf '%P\\n' | while read -r name; do
  if [ -d "$aside/$name" ]; then mkdir "$1/$name"; else touch "$1/$name"; fi
  # What another run has removed meanwhile is not missed.
  mount --rbind "$aside/$name" "$1/$name" || [ ! -e "$aside/$name" ]
done
umount --lazy "$aside"
rmdir "$aside"
"""

# Bind-mounts the directories elsewhere, mounts open ones over closed parents, then bind-mounts them back.
_OPEN = """
hidden=$1; shift
[ -n "$hidden" ] || exit 0
aside=$(mktemp -d)
mount -t tmpfs none "$aside"
number=0
for place; do number=$((number + 1)); mkdir "$aside/$number"; mount --rbind "$place" "$aside/$number"; done
for above in $hidden; do mount -t tmpfs -o mode=755 none "$above"; done
number=0
for place; do number=$((number + 1)); mkdir -p "$place"; mount --rbind "$aside/$number" "$place"; done
umount --lazy "$aside"
rmdir "$aside"
"""
