"""MOCK_FOLLOW=1 on the real kernel: the mock moves while an application runs."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from support.processes import commands
from support.shimlab import IMDS, MOCK, MOVED, SHIM, ShimLab, environment

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

# Prints its children, then obeys: opens a connection, waits for its end, sends a request on a new one.
APPLICATION = """
import os, socket, sys, urllib.request
try:
    print("children", os.waitpid(-1, os.WNOHANG), flush=True)
except ChildProcessError as error:
    print("children", error.strerror, flush=True)
kind = socket.AF_INET6 if "mapped" in sys.argv else socket.AF_INET
for word in map(str.strip, sys.stdin):
    if word == "open":
        client = socket.socket(kind)
        client.settimeout(60)
        client.connect(("::ffff:169.254.169.254" if "mapped" in sys.argv else "169.254.169.254", 80))
        client.sendall(b"GET /silence HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        print("opened", flush=True)
    if word == "read":
        try:
            print("end of file" if client.recv(1) == b"" else "answered", flush=True)
        except OSError as error:
            print(type(error).__name__, flush=True)
    if word == "ask":
        print(urllib.request.urlopen("http://169.254.169.254/", timeout=1).read().decode(), flush=True)
"""

# One descriptor in addition to the standard ones, as a supervisor may pass it on.
INHERITING = ["sh", "-c", 'exec 9</etc/passwd; exec "$@"', "sh"]


@pytest.fixture(params=["legacy", "nft"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ShimLab]:
    with ShimLab(tmp_path) as made:
        made.backend = request.param  # type: ignore[attr-defined]  # which one these tests use
        made.serve(MOCK, "first")
        yield made


def application(lab: ShimLab, *arguments: str, as_pid_1: bool = False) -> subprocess.Popen[str]:
    """Start the application through the shim; as PID 1 of a PID namespace, the follower writes to its log."""
    wrapper = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] if as_pid_1 else INHERITING
    backend = lab.backend  # type: ignore[attr-defined]  # see the fixture
    command = [*wrapper, str(SHIM), "/usr/bin/python3", "-c", APPLICATION, *arguments]
    return lab.start_in_app(command, env=environment(MOCK_FOLLOW="1", MOCK_BACKEND=backend))


def say(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    return line(process.stdout)


def line(pipe: IO[str] | None) -> str:
    assert pipe is not None
    return pipe.readline().strip()


def move(lab: ShimLab) -> None:
    """Move the mock as if its container were killed and recreated with another address."""
    lab.mock.ip("address", "del", f"{MOCK}/24", "dev", lab.links[1])
    lab.mock.ip("address", "add", f"{MOVED}/24", "dev", lab.links[1])
    lab.serve(MOVED, "second")
    lab.name("mock", MOVED)


def follower_of(process: subprocess.Popen[str]) -> int:
    """Return the process id of the only child, which is visible only in /proc."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    return int(child)


def status_of(pid: int) -> dict[str, str]:
    return dict(re.findall(r"^(\w+):\t(.*)$", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE))


def until_gone(pid: int) -> None:
    """Wait until the process has ended; a zombie counts as ended."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="ascii"):
                return
        except (FileNotFoundError, ProcessLookupError):
            return
    pytest.fail(f"process {pid} is still there")


@pytest.mark.measures_time
@pytest.mark.parametrize("arguments", [(), ("mapped",)])
def test_the_mock_moves_while_the_application_runs(lab: ShimLab, arguments: tuple[str, ...]) -> None:
    app = application(lab, *arguments, as_pid_1=True)
    assert line(app.stdout) == "children No child processes"
    assert say(app, "ask") == "first"
    assert say(app, "open") == "opened"
    assert line(app.stderr) == f"imds-shim: {IMDS}:80 -> {MOCK}:80 (mock)"
    move(lab)
    moved = time.monotonic()
    assert line(app.stderr) == f"imds-shim: the mock has moved: {IMDS}:80 -> {MOVED}:80"
    assert time.monotonic() - moved < 2
    # New connections reach the new mock; the open connection to the old one has ended.
    assert say(app, "ask") == "second"
    assert say(app, "read") in ("ConnectionAbortedError", "ConnectionResetError", "end of file")
    assert time.monotonic() - moved < 3
    rules = lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert rules.count("DNAT") + rules.count("dnat") == 1


def test_the_follower_has_few_privileges_and_ends_with_the_application(lab: ShimLab) -> None:
    app = application(lab)
    assert line(app.stdout) == "children No child processes"
    follower = follower_of(app)
    only = (1 << 12) | (1 << 13)
    limit = time.monotonic() + 60
    # It may still get ready while the application runs; its privileges are the last step.
    while int((status := status_of(follower))["CapPrm"], 16) & ~only:
        assert time.monotonic() < limit, status
    assert status["Name"] == "imds-shim"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) & only
    assert int(status["CapPrm"], 16) >> 12 & 1
    # Signals that programs send to every process must not end it; SIGTERM, at the end of a container, must.
    ignored = [number for number in signal.Signals if int(status["SigIgn"], 16) >> (number - 1) & 1]
    names = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGPIPE")
    assert {signal.Signals(number).name for number in ignored} == set(names)
    assert int(status["SigCgt"], 16) == int(status["SigBlk"], 16) == 0
    # Readers of the application's output see its end, because the follower holds none of its descriptors.
    folder = Path(f"/proc/{follower}/fd")
    held = {str(entry.readlink()) for entry in folder.iterdir()}
    pipes = {str(Path(f"/proc/{app.pid}/fd/{number}").readlink()) for number in range(3)}
    assert held & pipes == set()
    assert str(Path(f"/proc/{app.pid}/fd/9").readlink()) == "/etc/passwd"
    assert "/etc/passwd" not in held
    # Terminals and shells send signals to process groups; the follower is in none of the application's.
    assert os.getpgid(follower) != os.getpgid(app.pid)
    assert os.getsid(follower) != os.getsid(app.pid)
    app.kill()
    app.wait()
    until_gone(follower)


def test_a_command_that_cannot_run_leaves_no_follower(lab: ShimLab) -> None:
    done = lab.shim("no-such-command", MOCK_FOLLOW="1", MOCK_BACKEND=lab.backend)  # type: ignore[attr-defined]
    assert done.returncode == 127
    assert [command for command in commands() if str(SHIM) in command and "no-such-command" in command] == []
    assert "imds-shim" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")


def test_the_follower_does_not_keep_the_container_running(lab: ShimLab) -> None:
    app = application(lab, as_pid_1=True)
    assert line(app.stdout) == "children No child processes"
    out, _ = app.communicate("", timeout=60)
    assert (app.returncode, out) == (0, "")


END = """
import socket, sys
from ipaddress import ip_address
from imds_shim.nat import conntrack
from imds_shim.nat.backend import open_tables
from imds_shim.nat.rule import DnatRule, ensure
endpoint = sys.argv[5]
old, new = (DnatRule(ip_address(endpoint), 80, ip_address(to), 80) for to in sys.argv[2:4])
tables = open_tables(sys.argv[1])
ensure(tables, old)
client, bystander = (socket.create_connection(where) for where in ((endpoint, 80), (sys.argv[2], 80)))
sockets = conntrack.sockets_to(old.destination, 80)
print(len(sockets))
ensure(tables, new)
later = socket.create_connection((endpoint, 80))
if sys.argv[4] == "destroy_sockets":
    print(conntrack.destroy_sockets(sockets))
else:
    print(conntrack.delete_entries(old))
for one in (client, later, bystander):
    one.settimeout(60)
    try:
        one.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        print(b"".join(iter(lambda: one.recv(4096), b"")).split(b"\\r\\n\\r\\n")[1].decode())
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("how", "error"), [("destroy_sockets", "ConnectionAbortedError"), ("delete_entries", "ConnectionResetError")]
)
@pytest.mark.parametrize("endpoint", [IMDS, "fd00:ec2::254"])
def test_each_method_ends_only_connections_through_the_old_rule(
    lab: ShimLab, how: str, error: str, endpoint: str
) -> None:
    """Each method alone, because a kernel may support only one."""
    here, there = lab.links
    lab.mock.ip("address", "add", f"{MOVED}/24", "dev", there)
    addresses = [MOCK, MOVED]
    if endpoint != IMDS:
        addresses = ["fd77::1", "fd77::3"]
        for address in addresses:
            lab.mock.ip("address", "add", f"{address}/64", "dev", there, "nodad")
        lab.app.ip("address", "add", "fd77::2/64", "dev", here, "nodad")
        lab.app.ip("route", "add", endpoint, "dev", here)
        lab.serve("fd77::1", "first")
    lab.serve(addresses[1], "second")
    printed = lab.python(END, lab.backend, *addresses, how, endpoint)  # type: ignore[attr-defined]
    assert printed.split() == ["1", "1", error, "second", "first"]
