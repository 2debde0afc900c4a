"""Docker engines from unpacked Debian packages, each in a network namespace of its own without a way out."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlab import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_START_SECONDS = 180
_STOP_SECONDS = 120
_OWN_VARIABLES = ("DOCKER_", "COMPOSE_")


class DockerMachine:
    """A running dockerd, and commands in its namespace.

    Args:
        programs: The folder with the unpacked packages.
        space: The network namespace of the engine.
        run: A folder for its socket and state.
    """

    def __init__(self, programs: Path, space: Namespace, run: Path) -> None:
        self.space = space
        config = run / "config"
        config.mkdir()
        (config / "cli-plugins").symlink_to(programs / "usr/libexec/docker/cli-plugins")
        outer = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_VARIABLES)}
        self.environment: Mapping[str, str] = outer | {
            "PATH": f"{programs}/usr/sbin:{programs}/usr/bin:{outer['PATH']}",
            "DOCKER_HOST": f"unix://{run}/docker.sock",
            "DOCKER_CONFIG": str(config),
        }

    def run(self, argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in the engine's namespace, with its variables."""
        options = {"timeout": 300, "stdin": subprocess.DEVNULL, "env": dict(self.environment)} | options
        return self.space.run(argv, check=False, **options)


@contextlib.contextmanager
def docker_machine(programs: Path, keep: Path, *, uplink: str = "10.214.0.2/24") -> Iterator[DockerMachine]:
    """Run an engine until the block ends.

    Args:
        programs: The folder with the unpacked packages.
        keep: A folder for the engine's data, which is removed at the end.
        uplink: Address of the engine's namespace, whose link leads nowhere unless the caller connects it.
    """
    with contextlib.ExitStack() as stack:
        space = Namespace("engine", None)
        stack.callback(space.close)
        space.ip("link", "add", "uplink0", "type", "veth", "peer", "name", "nowhere0")
        space.ip("address", "add", uplink, "dev", "uplink0")
        for link in ("uplink0", "nowhere0"):
            space.ip("link", "set", link, "up")
        # A socket's path has at most 107 bytes.
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imds-engines-")))
        data = tempfile.mkdtemp(prefix="docker-", dir=keep)
        stack.callback(subprocess.run, ["rm", "-rf", "--one-file-system", data], check=False)
        machine = DockerMachine(programs, space, run)
        stack.enter_context(_daemon(machine, run, Path(data)))
        yield machine


@contextlib.contextmanager
def _daemon(machine: DockerMachine, run: Path, data: Path) -> Iterator[None]:
    with (data / "dockerd.log").open("w+") as log:
        daemon = machine.space.popen(
            [
                *("setpriv", "--pdeathsig", "TERM", "dockerd", "--host", f"unix://{run}/docker.sock"),
                *("--data-root", str(data), "--exec-root", str(run / "exec"), "--pidfile", str(run / "docker.pid")),
                *("--default-address-pool", "base=10.215.0.0/17,size=24", "--bip", "10.215.128.1/24"),
            ],
            env=dict(machine.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while machine.run(["docker", "info"]).returncode != 0:
                if time.monotonic() > deadline or daemon.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"dockerd does not answer:\n{log.read()[-2000:]}")
                time.sleep(0.2)
            yield
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
