"""The mock under attack: the program with both planes and known secrets, and the client that it must not fail."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.attack_report import Comparison, Health
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netlab import Namespace

HERE = Path(__file__).resolve().parent
CONTROL_TOKEN = "MARKER-control-token-0001"  # noqa: S105 - made up
SECRET_KEY = "MARKER-secret-access-key-0002"  # noqa: S105 - made up
SESSION_TOKEN = "MARKER-session-token-0003"  # noqa: S105 - made up
EKS_TOKEN = "MARKER-eks-token-0004"  # noqa: S105 - made up
EXTERNAL_ID = "MARKER-external-id-0005"
NEVER_SHOWN = (CONTROL_TOKEN, EKS_TOKEN, EXTERNAL_ID)
"""Secrets that no answer of any plane may hold."""
SECRETS = (*NEVER_SHOWN, SECRET_KEY, SESSION_TOKEN)
"""Secrets that no answer of the control plane and no log may hold."""
CONFIGURATION = {
    "credentials": {
        "source": "static",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": SECRET_KEY,
        "session_token": SESSION_TOKEN,
        "external_id": EXTERNAL_ID,
    },
    "eks": {"token": EKS_TOKEN},
    "control": {"token": CONTROL_TOKEN},
}
START_SECONDS = 20


def program(name: str, *arguments: str | int, space: Namespace | None = None) -> list[str]:
    """The argument list of a program beside this file, run in a network namespace if one is given."""
    argv = [sys.executable, str(HERE / name), *map(str, arguments)]
    return argv if space is None else space.command(argv)


def attack_bytes(
    host: str,
    port: int,
    plane: str,
    inputs: int,
    seed: int,
    secrets: Sequence[str] = SECRETS,
    *,
    space: Namespace | None = None,
) -> dict[str, Any]:
    """Run the byte-level attack to its end; what it found, as `attack_bytes.py` prints it."""
    options = ("--plane", plane, "--inputs", inputs, "--seed", seed)
    found: dict[str, Any] = json.loads(
        subprocess.run(
            program(
                *("attack_bytes.py", host, port, *options),
                *(word for secret in secrets for word in ("--secret", secret)),
                space=space,
            ),
            capture_output=True,
            text=True,
            timeout=1800,
            check=True,
        ).stdout
    )
    return found


class HealthyClient:
    """Asks a mock's data plane steadily, from a process of its own."""

    def __init__(self, host: str, port: int, space: Namespace | None) -> None:
        self._process = subprocess.Popen(
            program("healthy_client.py", host, port, space=space),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def report(self, requests: int = 0) -> Health:
        """What it met since the last report, once it has made at least so many requests."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{requests}\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the healthy client has ended"
        return Health(**json.loads(line))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Observed:
    """The two clients; make it with `observed`."""

    def __init__(self, attacked: HealthyClient, spared: HealthyClient) -> None:
        self._clients = (attacked, spared)

    def report(self) -> Comparison:
        """What they met since the last report."""
        return Comparison(*(client.report() for client in self._clients))

    def over(self, requests: int) -> Comparison:
        """What they meet during each one's next requests."""
        self.report()
        return Comparison(*(client.report(requests) for client in self._clients))


class Victim:
    """A running `imds-mock serve`; make it with `victim`.

    Attributes:
        process: It.
        host: Address that it listens on.
        port: TCP port of the data plane.
        control_port: TCP port of the control plane.
    """

    def __init__(self, process: subprocess.Popen[str], host: str, space: Namespace | None) -> None:
        self.process = process
        self.host = host
        self._space = space
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.await_log("control plane on ")
            self.port, self.control_port = self._ports()
        except BaseException:
            self.end()
            raise

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        self.process.stderr.close()

    def await_log(self, text: str, times: int = 1) -> None:
        """Wait until a text stands in this many lines of its standard error."""
        with self._changed:
            assert self._changed.wait_for(lambda: sum(text in line for line in self._lines) >= times, START_SECONDS), (
                self.log()
            )

    def _ports(self) -> tuple[int, int]:
        data = re.search(r" answers on \S+:(\d+)", self.log())
        control = re.search(r"control plane on .*:(\d+)", self.log())
        assert data is not None, self.log()
        assert control is not None, self.log()
        return int(data[1]), int(control[1])

    @contextlib.contextmanager
    def observed(self, folder: Path) -> Iterator[Observed]:
        """Well-behaved clients of this mock and of one that is left alone, until the block ends.

        Args:
            folder: For what the other mock needs.
        """
        with contextlib.ExitStack() as stack:
            other = stack.enter_context(victim(folder, space=self._space))
            clients = [HealthyClient(each.host, each.port, self._space) for each in (self, other)]
            for client in clients:
                stack.callback(client.close)
            yield Observed(*clients)

    def attack_bytes(self, plane: str, inputs: int, seed: int) -> dict[str, Any]:
        """Run the byte-level attack on one plane to its end; what it found."""
        port = self.port if plane == "data" else self.control_port
        secrets = NEVER_SHOWN if plane == "data" else SECRETS
        return attack_bytes(self.host, port, plane, inputs, seed, secrets, space=self._space)

    def resident_mib(self) -> float:
        """Its resident memory."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def log(self) -> str:
        """What it has written to standard error."""
        return "".join(self._lines)

    def end(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def stop(self, seconds: float = 10) -> int:
        """Ask it to end; its exit code. Fails if that takes longer."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code


@contextlib.contextmanager
def victim(
    folder: Path,
    options: Sequence[str] = (),
    *,
    configuration: Mapping[str, Any] = CONFIGURATION,
    file_name: str = "mock.json",
    host: str = "127.0.0.1",
    space: Namespace | None = None,
    launcher: Sequence[str] = (str(IMDS_MOCK),),
) -> Iterator[Victim]:
    """Run the mock until the block ends, with free ports unless options give others.

    Args:
        folder: For its configuration, Unix socket and access log.
        options: Further options of `serve`.
        configuration: Its configuration file, in place of one with all secrets set.
        file_name: Name of that file in the folder; what is JSON is YAML as well.
        host: Address to listen on.
        space: Network namespace to run in; none: this one, which only suits loopback.
        launcher: The program, in place of the installed one.
    """
    file = folder / file_name
    file.write_text(json.dumps(configuration))
    log = folder / "access.log"
    argv = [
        *(*launcher, "serve", "--host", host, "--port", "0", "--config", str(file)),
        *("--set", f"server.access_log_file={log}", *options),
    ]
    process = subprocess.Popen(
        argv if space is None else space.command(argv),
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder)},
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    running = Victim(process, host, space)
    try:
        yield running
    finally:
        running.end()


def assert_log_is_clean(log: str) -> None:
    """No traceback, no secret."""
    assert "Traceback" not in log, log[log.index("Traceback") - 200 :][:4000]
    assert [secret for secret in SECRETS if secret in log] == []
