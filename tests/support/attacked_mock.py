"""`imds-mock serve` under attack, with known secrets, and the well-behaved client that it must keep serving."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.attack_programs import HealthyClient, Observed, attack_bytes
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netlab import Namespace

CONTROL_TOKEN = "MARKER-control-token-0001"  # noqa: S105 - made up
SECRET_KEY = "MARKER-secret-access-key-0002"  # noqa: S105 - made up
SESSION_TOKEN = "MARKER-session-token-0003"  # noqa: S105 - made up
EKS_TOKEN = "MARKER-eks-token-0004"  # noqa: S105 - made up
EXTERNAL_ID = "MARKER-external-id-0005"
NEVER_SHOWN = (CONTROL_TOKEN, EKS_TOKEN, EXTERNAL_ID)
"""Secrets that no response of either plane may contain."""
SECRETS = (*NEVER_SHOWN, SECRET_KEY, SESSION_TOKEN)
"""Secrets that no response of the control plane and no log may contain."""
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


class AttackedMock:
    """A running `imds-mock serve`; `attacked_mock` creates it.

    Attributes:
        process: The running program.
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
        """Wait until this many lines of its standard error contain a text."""
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
        """Run well-behaved clients of this mock and of one that is not attacked, until the block ends.

        Args:
            folder: For the files of the other mock.
        """
        with contextlib.ExitStack() as stack:
            other = stack.enter_context(attacked_mock(folder, space=self._space))
            clients = [HealthyClient(each.host, each.port, self._space) for each in (self, other)]
            for client in clients:
                stack.callback(client.close)
            yield Observed(*clients)

    def attack_bytes(self, plane: str, inputs: int, seed: int) -> dict[str, Any]:
        """Run the byte-level attack on one plane; returns its findings."""
        port = self.port if plane == "data" else self.control_port
        secrets = NEVER_SHOWN if plane == "data" else SECRETS
        return attack_bytes(self.host, port, plane, inputs, seed, secrets, space=self._space)

    def resident_mib(self) -> float:
        """Memory of the process, in RAM and swapped out."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        sizes = re.findall(r"^(?:VmRSS|VmSwap):\s+(\d+) kB", status, re.MULTILINE)
        assert len(sizes) == 2, status
        return sum(map(int, sizes)) / 1024

    def log(self) -> str:
        """Everything that it has written to standard error."""
        return "".join(self._lines)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def stop(self, seconds: float = 10) -> int:
        """Send SIGTERM; returns the exit code, or fails after this time."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code


@contextlib.contextmanager
def attacked_mock(
    folder: Path,
    options: Sequence[str] = (),
    *,
    configuration: Mapping[str, Any] = CONFIGURATION,
    file_name: str = "mock.json",
    host: str = "127.0.0.1",
    space: Namespace | None = None,
    launcher: Sequence[str] = (str(IMDS_MOCK),),
) -> Iterator[AttackedMock]:
    """Run the mock until the block ends, on free ports unless the options name others.

    Args:
        folder: For its configuration, Unix socket and access log.
        options: Additional options of `serve`.
        configuration: Its configuration; by default one with all secrets set.
        file_name: Name of the configuration file in the folder; JSON is valid YAML.
        host: Address to listen on.
        space: Network namespace to run in; None: the current one, for loopback only.
        launcher: Command line of the program; by default the installed one.
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
    running = AttackedMock(process, host, space)
    try:
        yield running
    finally:
        running.end()


def assert_log_is_clean(log: str) -> None:
    """Fail if a log contains a traceback or a secret."""
    assert "Traceback" not in log, log[log.index("Traceback") - 200 :][:4000]
    assert [secret for secret in SECRETS if secret in log] == []
