"""Large and hostile files do not delay requests while they are reloaded."""

from __future__ import annotations

import resource
import select
import signal
import socket
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from imds_mock.run.config_reader import LARGE_BYTES, ConfigReader
from support.mockprogram import running_program
from support.mockserver import Answer, head, read_all, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.mockprogram import RunningProgram

LEAF = "/latest/meta-data/instance-id"
LARGE = "metadata:\n" + "".join(f"  meta-data/x/{n}: {'v' * 90}\n" for n in range(9_000))
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


def latencies(mock: RunningProgram, is_over: Callable[[], bool]) -> list[float]:
    """Seconds of one request after the other on one connection, until it is over."""
    taken = []
    with socket.create_connection(("127.0.0.1", mock.port), 60) as client:
        while not is_over():
            began = time.perf_counter()
            client.sendall(head("GET", LEAF, Connection="keep-alive").encode())
            assert read_answer(client).status == 200
            taken.append(time.perf_counter() - began)
    return taken


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


@pytest.mark.measures_time
def test_requests_are_answered_in_time_while_a_large_file_is_taken_over(tmp_path: Path) -> None:
    assert LARGE_BYTES < len(LARGE) < 1024 * 1024
    file = tmp_path / "mock.yaml"
    file.write_text("metadata: {meta-data/y: small}\n")
    options = ["--config", str(file), "--control", "off", "--access-log", "off", "--set", "server.watch_config=false"]
    with running_program(tmp_path, options) as mock:
        counted = iter(range(3000))
        before = p99(latencies(mock, lambda: next(counted, None) is None))
        file.write_text(LARGE)
        mock.process.send_signal(signal.SIGHUP)
        began = time.perf_counter()
        during = latencies(mock, lambda: _has_line(mock))
        mock.await_line("configuration reloaded")
        assert time.perf_counter() - began > 0.2  # it was a large file indeed
        # Twice, or what a machine that is busy with others may add.
        assert p99(during) < max(2 * before, 0.03)
        with socket.create_connection(("127.0.0.1", mock.port), 60) as client:
            client.sendall(head("GET", "/latest/meta-data/x/8999").encode())
            assert Answer.parse(read_all(client)).body == b"v" * 90


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 40_000, "nested too deeply"),
        (LAUGHS, "more than 20000 keys and values"),
        ("x" * 2_000_000, "larger than 1048576 bytes"),
        ("{" + LARGE, "is not valid YAML"),
        (f"{LARGE}metadata_options: {{http_tokens: maybe}}\n", "metadata_options.http_tokens: expected optional or"),
    ],
    ids=["deep", "laughs", "large", "malformed", "wrong"],
)
def test_a_bad_file_leaves_the_mock_as_it_is(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("metadata: {meta-data/y: small}\n")
    with running_program(tmp_path, ["--config", str(file), "--control", "off"]) as mock:
        file.write_text(text)
        refused = mock.await_line("cannot reload the configuration.*")[0]
        assert f"{file}" in refused
        assert words in refused
        with socket.create_connection(("127.0.0.1", mock.port), 60) as client:
            client.sendall(head("GET", "/latest/meta-data/y").encode())
            assert Answer.parse(read_all(client)).body == b"small"
        assert mock.end() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [(LARGE, "raise the limit of open files"), ("metadata: {meta-data/y: other}\n", "Too many open files")],
    ids=["large", "small"],
)
def test_a_reload_without_a_free_descriptor_leaves_the_mock_as_it_is(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("metadata: {meta-data/y: small}\n")
    # With keys in a folder, no process is started after the start.
    settings = ["server.watch_config=false", f"signing.key_directory={tmp_path / 'keys'}"]
    options = ["--config", str(file), "--control", "off", *(f"--set={each}" for each in settings)]
    with running_program(tmp_path, options) as mock, socket.create_connection(("127.0.0.1", mock.port), 60) as client:
        client.sendall(head("GET", "/latest/meta-data/y", Connection="keep-alive").encode())
        assert read_answer(client).body == b"small"
        file.write_text(text)
        limit = resource.prlimit(mock.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(mock.process.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
        mock.process.send_signal(signal.SIGHUP)
        assert words in mock.await_line("cannot reload the configuration, keeping the .*")[0]
        client.sendall(head("GET", "/latest/meta-data/y", Connection="keep-alive").encode())
        assert read_answer(client).body == b"small"
        resource.prlimit(mock.process.pid, resource.RLIMIT_NOFILE, limit)
        mock.process.send_signal(signal.SIGHUP)
        mock.await_line("configuration reloaded")
        assert mock.end() == 0


def test_the_end_of_the_mock_does_not_wait_for_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("metadata: {meta-data/y: small}\n")
    with running_program(tmp_path, ["--config", str(file), "--control", "off"]) as mock:
        file.write_text(LARGE)
        mock.process.send_signal(signal.SIGHUP)
        assert mock.end() == 0


def test_flags_variables_and_defaults_count_in_the_other_process_too(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("instance: {region: eu-west-1, instance_type: m5.large}\n")
    options = ["--config", str(file), "--control", "off", "--set", "instance.region=eu-west-3"]
    with running_program(tmp_path, options, IMDS_MOCK_ROLE="from-a-variable") as mock:
        file.write_text(f"{LARGE}instance: {{region: eu-west-1, instance_type: c5.large}}\n")
        mock.await_line("configuration reloaded")
        for path, value in (
            ("placement/region", b"eu-west-3"),
            ("instance-type", b"c5.large"),
            ("iam/security-credentials/", b"from-a-variable"),
        ):
            with socket.create_connection(("127.0.0.1", mock.port), 60) as client:
                client.sendall(head("GET", f"/latest/meta-data/{path}").encode())
                assert Answer.parse(read_all(client)).body == value


def test_a_small_file_needs_no_process(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("x" * (LARGE_BYTES - 1))
    assert not ConfigReader({}, {}, file, {}).is_large()
    file.write_text("x" * LARGE_BYTES)
    assert ConfigReader({}, {}, file, {}).is_large()
    assert ConfigReader({}, {"IMDS_MOCK_CONFIG": str(file)}, None, {}).is_large()
    assert not ConfigReader({}, {}, tmp_path / "none", {}).is_large()
    assert not ConfigReader({}, {}, None, {}).is_large()


def _has_line(mock: RunningProgram) -> bool:
    """Whether the mock has written something that is not read yet."""
    assert mock.process.stderr is not None
    ready, _, _ = select.select([mock.process.stderr], [], [], 0)
    return bool(ready)
