"""Demonstrate the project on this machine: 169.254.169.254 answers in one container, served by another.

With Docker and Compose v2, the demo runs the project's own compose file. Without them it prints the reason and runs the
same mock and shim in network namespaces (the lab). It prints every command with its output, and ends everything that it
started. In a terminal, it first waits until the user has looked at the mock's page.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING

from netlab import Lab
from port_forward import forwarded
from standard_output import READER_GONE, ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netlab import Namespace

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".venv" / "bin"
BASE_IMAGE = "debian:trixie-slim"
PROJECT = "imds-sidecar-demo"
IMDS = "http://169.254.169.254"
# As long as a slow machine needs, for example an emulated one. The shim itself gives up after 60 s.
START_SECONDS = 300
QUESTION_SECONDS = 2

# Requests with IMDSv1, with IMDSv2, and for the role.
QUESTIONS = (
    f"curl -s {IMDS}/latest/meta-data/instance-id",
    (
        f'TOKEN=$(curl -s -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" {IMDS}/latest/api/token)'
        f' && curl -s -H "X-aws-ec2-metadata-token: $TOKEN" {IMDS}/latest/meta-data/placement/region'
    ),
    f"curl -s {IMDS}/latest/meta-data/iam/security-credentials/",
)


class DemoError(Exception):
    """The demo cannot continue; the text gives the reason."""


def main(argv: Sequence[str]) -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="demo.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--compose", action="store_true", help="use Docker Compose, or fail")
    way.add_argument("--lab", action="store_true", help="use network namespaces")
    parser.add_argument("--setup", action="store_true", help="first install what the network namespaces need")
    chosen = parser.parse_args(argv)
    why_not = None if chosen.lab else docker_obstacle()
    try:
        if chosen.lab:
            lab_demo(setup=chosen.setup)
        elif why_not is None:
            compose_demo()
        elif chosen.compose:
            print(f"demo: {why_not}", file=sys.stderr)
            return 1
        else:
            print(f"# {why_not}")
            print("# The demo therefore uses network namespaces: the same programs on this kernel.\n", flush=True)
            lab_demo(setup=chosen.setup)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def docker_obstacle() -> str | None:
    """Why the compose stack cannot run here, or None if it can."""
    checks = (
        (["docker", "info"], "No Docker engine answers."),
        (["docker", "compose", "version"], "Compose v2 (docker compose) is missing."),
    )
    for command, sentence in checks:
        if not _succeeds(command):
            return sentence
    if _succeeds(["docker", "image", "inspect", BASE_IMAGE]) or _succeeds(["docker", "pull", "--quiet", BASE_IMAGE]):
        return None
    return f"The base image {BASE_IMAGE} is missing and cannot be pulled."


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def compose_demo() -> None:
    """Run the compose stack of this repository under its own project name."""
    # Any free port for the control plane, because another stack may be running.
    compose = ["env", "IMDS_CONTROL_PORT=", "docker", "compose", "--project-name", PROJECT]
    try:
        show("docker compose up --build --detach --wait", [*compose, "up", "--build", "--detach", "--wait"])
        for question in QUESTIONS:
            inside = f"sh -c {shlex.quote(question)}" if "$" in question else question
            show(f"docker compose exec debug {inside}", [*compose, "exec", "-T", "debug", "sh", "-c", question])
        show("docker compose logs debug", [*compose, "logs", "--no-color", "debug"])
        published = subprocess.run(
            [*compose, "port", "mock_metadata", "1339"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        show_page(published.stdout.strip(), [*compose, "exec", "-T", "debug", "sh", "-c", QUESTIONS[1]])
    finally:
        down = [*compose, "down", "--volumes", "--timeout", "2"]
        try:
            show("docker compose down", down)
        except OSError:  # nothing can be printed any more
            subprocess.run(down, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            raise


def lab_demo(*, setup: bool) -> None:
    """Run the mock and the shim in two namespaces that are connected only to each other."""
    if setup and subprocess.run([ROOT / "scripts" / "setup.sh", "programs"], check=False).returncode != 0:
        raise DemoError("the programs cannot be installed; the messages above give the reason.")
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(Lab())
            mock, debug = lab.namespace("mock_metadata"), lab.namespace("debug")
        except RuntimeError as error:
            raise DemoError(str(error)) from error
        lab.link(mock, debug, ["172.31.254.2/24"], ["172.31.254.3/24"])
        # Like a container, it has a default route and finds others by name. The gateway forwards nothing.
        debug.ip("route", "add", "default", "via", "172.31.254.2")
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hosts = scratch / "hosts"
        hosts.write_text("127.0.0.1 localhost\n172.31.254.2 mock_metadata\n")
        debug.bind(hosts, "/etc/hosts")

        print("mock_metadata$ imds-mock serve --port 80 2>log &", flush=True)
        log = stack.enter_context((scratch / "log").open("w"))
        # The socket of the control plane in the scratch folder is reachable from this namespace.
        serve: list[str | Path] = [
            *("env", f"XDG_RUNTIME_DIR={scratch}", PROGRAMS / "imds-mock", "serve", "--port", "80"),
        ]
        stack.enter_context(running(mock, serve, stderr=log))
        print("debug$ MOCK_HOSTNAME=mock_metadata imds-shim sleep 3600 &", flush=True)
        shim: list[str | Path] = ["env", "MOCK_HOSTNAME=mock_metadata", PROGRAMS / "imds-shim", "sleep", "3600"]
        application = stack.enter_context(running(debug, shim))
        await_command(application, b"sleep\x003600\x00")
        for question in QUESTIONS:
            show(question, debug.command(["sh", "-c", question]), place="debug")
        # The shim has selected the back end that this kernel supports.
        rule = "iptables-legacy -t nat -S OUTPUT 2>/dev/null | grep imds-shim || nft list table ip imds_shim"
        # Only root may use the lock that iptables would use, and the demo needs no root.
        lock = f"XTABLES_LOCKFILE={scratch / 'xtables.lock'}"
        show(rule, debug.command(["env", lock, "sh", "-c", rule]), place="debug")
        await_request(Path(log.name), QUESTIONS[-1].removeprefix(f"curl -s {IMDS}"))
        show("cat log", ["cat", log.name], place="mock_metadata")
        (control,) = scratch.glob("imds-mock/*.sock")
        with forwarded(control) as address:
            show_page(address, debug.command(["sh", "-c", QUESTIONS[1]]))


def show_page(address: str, question: Sequence[str]) -> None:
    """Print the address of the mock's page; in a terminal, keep everything running until the user has seen it.

    Args:
        address: Host and port of the control plane.
        question: A command that sends requests, so that the page has something to show.

    Raises:
        DemoError: The page is not served.
    """
    url = f"http://{address}/ui/"
    try:
        # The mock loads its control plane while it already answers applications, and then answers this request.
        urllib.request.urlopen(url, timeout=START_SECONDS).close()
    except OSError as error:
        raise DemoError(f"the page of the mock does not answer at {url}: {error}") from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(f"# The mock's page was at {url}; run the demo in a terminal to look at it.\n", flush=True)
        return
    print(f"# Now look at the mock's page: {url}", flush=True)
    print("# The container keeps sending requests. Press Enter to end the demo.", flush=True)
    while not select.select([sys.stdin], [], [], QUESTION_SECONDS)[0]:
        subprocess.run(question, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    sys.stdin.readline()


def show(typed: str, command: Sequence[str], place: str = "") -> None:
    """Print a command as a user would type it, and run it.

    Raises:
        DemoError: The command fails.
        OSError: Nothing can be printed.
    """
    print(f"{place}$ {typed}", flush=True)
    code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
    # A metadata value ends without a newline.
    print(flush=True)
    if code in {-signal.SIGPIPE, READER_GONE}:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    if code != 0:
        raise DemoError(f"command failed with exit code {code}: {typed}")


@contextlib.contextmanager
def running(
    space: Namespace, argv: Sequence[str | Path], stderr: IO[str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a program in a namespace until the block ends."""
    process = space.popen(argv, stdin=subprocess.DEVNULL, stderr=stderr)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_command(process: subprocess.Popen[str], command: bytes) -> None:
    """Wait until the shim has become the application."""
    deadline = time.monotonic() + START_SECONDS
    while Path(f"/proc/{process.pid}/cmdline").read_bytes() != command:
        if process.poll() is not None:
            raise DemoError("the application did not start; the shim's message above gives the reason.")
        if time.monotonic() > deadline:
            raise DemoError(f"the application did not start within {START_SECONDS} s.")
        time.sleep(0.02)


def await_request(log: Path, path: str) -> None:
    """Wait until the mock has logged a request for `path`, which it does after it has sent the response."""
    deadline = time.monotonic() + START_SECONDS
    while f" GET {path} " not in log.read_text():
        if time.monotonic() > deadline:
            raise DemoError(f"the mock did not log the request for {path} within {START_SECONDS} s.")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(ended("demo", lambda: main(sys.argv[1:])))
