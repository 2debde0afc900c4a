"""The program `imds-mock`: its start, its end, its exit codes, and what it says where."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.mockserver import Answer, head, read_all, read_answer
from support.paths import IMDS_MOCK
from support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAF = "/latest/meta-data/instance-id"
TOKEN_REQUEST = head("PUT", "/latest/api/token", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
PATIENT = ("--timeout", "60")  # of the health check, which by default waits 2 s


class Program:
    """A running `imds-mock serve` on a free port of 127.0.0.1."""

    def __init__(self, *options: str, before: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*before, IMDS_MOCK, "serve", "--host", "127.0.0.1", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert self.process.stderr is not None
        self.first_line = self.process.stderr.readline()
        port = re.search(r"answers on 127\.0\.0\.1:(\d+)", self.first_line)
        assert port, self.first_line
        self.port = int(port[1])

    def ask(self, request: str) -> Answer:
        with self.connect() as client:
            client.sendall(request.encode())
            return Answer.parse(read_all(client))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit code, standard output, and the rest of standard error."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out, errors

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def program() -> Iterator[Program]:
    running = Program()
    yield running
    running.close()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IMDS_MOCK, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], **environment},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_logs_and_ends_when_told_to(program: Program, number: signal.Signals) -> None:
    assert program.first_line.startswith("imds-mock: i-1234567890abcdef0 answers on 127.0.0.1:")
    assert program.ask(head("GET", LEAF)).body == b"i-1234567890abcdef0"
    token = program.ask(TOKEN_REQUEST).body.decode()
    assert program.ask(head("GET", LEAF, X_aws_ec2_metadata_token=token)).status == 200
    assert program.ask(head("GET", "/", X_Imds_Mock_Probe="n")).status == 204
    assert program.ask("\x00\r\n\r\n").status == 400
    code, out, errors = program.end(number)
    assert (code, out) == (0, "")
    # A program that takes long to end has loaded the control plane meanwhile.
    lines = [line.split(" ")[1:6] for line in errors.splitlines() if " control plane on " not in line]
    assert lines == [
        ["127.0.0.1", "GET", LEAF, "200", "v1"],
        ["127.0.0.1", "PUT", "/latest/api/token", "200", "v2"],
        ["127.0.0.1", "GET", LEAF, "200", "v2"],
        ["127.0.0.1", "-", "-", "400", "-"],
    ]
    assert token not in errors


def test_the_access_log_may_be_json_in_a_file_or_off(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    in_file = Program("--control", "off", "--access-log", "json", "--set", f"server.access_log_file={file}")
    in_file.ask(head("GET", LEAF))
    assert in_file.end() == (0, "", "")
    assert json.loads(file.read_text())["path"] == LEAF
    off = Program("--control", "off", "--access-log", "off")
    off.ask(head("GET", LEAF))
    assert off.end() == (0, "", "")


def test_an_idle_connection_ends_at_once_and_a_request_under_way_is_answered(program: Program) -> None:
    with program.connect() as idle, program.connect() as half:
        idle.sendall(head("GET", LEAF, Connection="keep-alive").encode())
        assert read_answer(idle).status == 200
        half.sendall(b"GET /latest/meta-data/instance-id HTTP/1.1\r\nConnection: keep-alive\r\n")
        assert program.ask(head("GET", LEAF)).status == 200
        program.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            program.connect()
        half.sendall(b"\r\n")
        answer = Answer.parse(read_all(half))
    assert (answer.status, answer["Connection"]) == (200, "close")
    assert program.process.wait(60) == 0


def test_a_second_signal_ends_it_without_waiting(program: Program) -> None:
    with program.connect() as idle, program.connect() as half:
        half.sendall(b"GET / HT")
        assert program.ask(head("GET", LEAF)).status == 200
        program.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(60) == -signal.SIGTERM


def test_a_request_that_never_ends_does_not_keep_it(program: Program) -> None:
    running = Program("--set", "server.stop_grace_seconds=0.2")
    with running.connect() as half:
        half.sendall(b"GET / HT")
        assert running.ask(head("GET", LEAF)).status == 200
        assert running.end()[0] == 0
    assert program.ask(head("GET", LEAF)).status == 200


def test_a_port_in_use_is_one_line(program: Program) -> None:
    second = run("serve", "--host", "127.0.0.1", "--port", str(program.port))
    assert (second.returncode, second.stdout) == (69, "")
    assert second.stderr == (
        f"imds-mock: cannot listen on 127.0.0.1:{program.port}: another program listens on it;"
        " choose another --port or stop that program\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("serve", "--host", "192.0.2.1", "--port", "0"), 71, "cannot listen on 192.0.2.1:0: this machine does not"),
        (("serve", "--host", "localhost"), 78, "localhost"),
        (("serve", "--port", "70000"), 78, "port"),
        (("serve", "--port", "many"), 64, "--port"),
        (("serve", "--set", "nonsense"), 64, "--set"),
        (("serve", "--set", "server.prot=1"), 78, "server.port"),
        (("serve", "--port", "0", "--set", "server.access_log_file=/nowhere/at/all"), 73, "/nowhere/at/all"),
        (("health", "--url", "ftp://x"), 1, "expected one such as http://HOST:PORT"),
        (("health", "--url", "http://127.0.0.1:65536"), 1, "expected one such as http://HOST:PORT"),
        (("health", "--url", "http://a..b"), 1, "'a..b' is not a valid host name"),
        (("nonsense",), 64, "nonsense"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: tuple[str, ...], code: int, says: str) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_health_check(program: Program) -> None:
    url = f"http://127.0.0.1:{program.port}"
    for healthy in (run("health", "--url", url, *PATIENT), run("health", *PATIENT, IMDS_MOCK_PORT=str(program.port))):
        assert (healthy.returncode, healthy.stderr) == (0, "")
        assert re.fullmatch(rf"{url} is imds-mock [0-9a-f]{{16}}\n", healthy.stdout)
    program.end()
    dead = run("health", "--url", url)
    assert (dead.returncode, dead.stdout) == (1, "")
    assert len(dead.stderr.splitlines()) == 1


def test_another_server_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        asking = subprocess.Popen([IMDS_MOCK, "health", "--url", url, *PATIENT], stderr=subprocess.PIPE, text=True)
        client, _ = other.accept()
        with client:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            # Told by the head alone: this server, as the control plane does, keeps the connection.
            _, errors = asking.communicate(timeout=60)
    assert asking.returncode == 1
    assert "not imds-mock" in errors


def test_keys_that_cannot_be_kept_end_the_start_before_it_says_that_it_answers(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    nothing_can_be_written = ["prlimit", "--fsize=0"]
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "rsa2048.key").write_text("no key")
    for folder, before, words in (
        (keys, nothing_can_be_written, f"{keys}: File too large; set signing.key_directory to"),
        (broken, [], f"{broken}/rsa2048.key: expected an RSA key in PEM without a password"),
    ):
        options = ["--host", "127.0.0.1", "--port", "0", "--control", "off", "--set", f"signing.key_directory={folder}"]
        ended = subprocess.run(
            [*before, IMDS_MOCK, "serve", *options], capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 78
        assert ended.stderr.startswith(f"imds-mock: {words}")
        assert ended.stderr.count("\n") == 1


def test_help_and_version() -> None:
    assert re.fullmatch(r"imds-mock \d+\.\d+\.\d+\n", run("--version").stdout)
    assert "serve" in run("--help").stdout
    assert "--config" in run("serve", "--help").stdout
    assert run().returncode == 64


@pytest.mark.measures_time
def test_it_starts_soon_and_small() -> None:
    starts, sizes = [], []
    for _ in range(3):
        began = time.perf_counter()
        program = Program("--control", "off")
        assert program.ask(head("GET", LEAF)).status == 200
        starts.append(time.perf_counter() - began)
        status = Path(f"/proc/{program.process.pid}/status").read_text()
        sizes.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
        program.end()
    # Three times what an idle machine needs, because this one may be busy with others.
    assert statistics.median(starts) <= 3 * 0.150
    assert statistics.median(sizes) <= 1.2 * 26


@pytest.mark.measures_time
def test_idle_and_slow_connections_delay_nobody(program: Program) -> None:
    done = threading.Event()
    with contextlib.ExitStack() as stack:
        slowest_of_a_hundred(program)  # the first answers are rendered, the first pages are there
        before = slowest_of_a_hundred(program)
        idle = [stack.enter_context(program.connect()) for _ in range(1000)]
        slow = [stack.enter_context(program.connect()) for _ in range(200)]
        for client in slow:
            client.sendall(b"GET /latest/meta-data/instance-id HTTP/1.1\r\nX: ")

        def drip() -> None:
            while not done.wait(0.05):
                for client in slow:
                    client.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        stack.callback(dripping.join)
        stack.callback(done.set)
        during = slowest_of_a_hundred(program)
        for client in (idle[0], idle[-1]):
            client.sendall(head("GET", LEAF).encode())
            assert Answer.parse(read_all(client)).status == 200
    after = slowest_of_a_hundred(program)
    # Three times, or what a machine that is busy with others may add to a fraction of a millisecond.
    assert during < max(3 * before, 3 * after, 0.005)


def test_more_connections_than_the_system_allows_leave_it_answering() -> None:
    limited = Program("--control", "off", before=("prlimit", "--nofile=128:128"))
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(limited.connect())
        assert limited.ask(head("GET", LEAF)).status == 200
    code, _, errors = limited.end()
    assert (code, len(errors.splitlines())) == (0, 1)


def test_with_few_descriptors_the_data_plane_comes_first() -> None:
    """All that can be opened to both planes is, before the control plane has even been loaded."""
    with contextlib.ExitStack() as stack:
        control_port = stack.enter_context(reserved_port())
        options = ("--control-port", str(control_port), "--set", "control.socket=")
        limited = Program(*options, before=("prlimit", "--nofile=64:64"))
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", control_port), 60))
            stack.enter_context(limited.connect())
        assert limited.ask(head("GET", LEAF)).status == 200
        assert limited.process.stderr is not None
        while "control plane on" not in limited.process.stderr.readline():
            assert limited.process.poll() is None
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", control_port), 60))
            assert limited.ask(head("GET", LEAF)).status == 200
    assert limited.end()[0] == 0


def slowest_of_a_hundred(program: Program) -> float:
    """The slowest of a hundred answers to a healthy client, in seconds; the median of seven such hundreds."""

    def taken() -> float:
        began = time.perf_counter()
        assert program.ask(head("GET", LEAF)).status == 200
        return time.perf_counter() - began

    return statistics.median(max(taken() for _ in range(100)) for _ in range(7))


def test_it_serves_on_plain_asyncio_where_uvloop_is_not_installed() -> None:
    code = (
        "import runpy, sys; sys.modules['uvloop'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0], {}, '__main__')"
    )
    running = Program(before=(sys.executable, "-c", code))
    try:
        assert running.ask(head("GET", LEAF)).status == 200
        assert running.end()[0] == 0
    finally:
        running.close()
