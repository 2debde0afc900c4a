"""`Mock` as an object to embed: what it gives, what it leaves alone, what it leaves behind, and how its parts fail."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.client
import json
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import imds_mock
from imds_mock import ConfigSource, Dependencies, Mock
from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config
from imds_mock.control.start import ControlListenError
from imds_mock.control_socket import connect
from imds_mock.errors import ListenError, LogFileError, MockError
from imds_mock.log import Outlet
from imds_mock.signing.keys import KeyDirectoryError
from support.event_loops import LOCAL, Run
from support.mockserver import Clock
from support.paths import ROOT


async def get(url: str, path: str) -> str:
    """The body of a response, of status 200."""

    def read() -> str:
        with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as client:
            client.request("GET", path)
            answer = client.getresponse()
            body = answer.read().decode()
            assert answer.status == 200, (answer.status, body)
            return body

    return await asyncio.to_thread(read)


def test_a_mapping_a_file_and_a_config_are_configurations(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("server: {hosts: [127.0.0.1]}\ninstance: {region: eu-west-2}\n")

    async def region(config: Any) -> str:
        async with Mock(config, port=0) as mock:
            return await get(mock.endpoint_url, "/latest/meta-data/placement/region")

    assert run(region({**LOCAL, "instance": {"region": "eu-west-1"}})) == "eu-west-1"
    assert run(region(file)) == run(region(str(file))) == "eu-west-2"
    assert run(region(Mock(file).state.config)) == "eu-west-2"
    assert run(region(None)) == "us-east-1"


def test_state_journal_and_addresses_are_typed_objects(run: Run) -> None:
    async def scenario() -> None:
        clock = Clock()
        async with Mock(LOCAL, port=0, dependencies=Dependencies(clock=clock)) as mock:
            (address,) = mock.addresses
            assert (address.host, mock.endpoint_url) == ("127.0.0.1", f"http://127.0.0.1:{address.port}")
            await get(mock.endpoint_url, "/latest/meta-data/instance-id")
            mock.journal.settle()
            (entry,) = mock.journal
            assert (entry.caller, entry.path, entry.time) == ("127.0.0.1", "/latest/meta-data/instance-id", clock.now)
            assert "127.0.0.1" in mock.callers.caller("127.0.0.1").addresses
            assert isinstance(mock.state.config, Config)
            assert mock.control_url is not None
            assert json.loads(await get(mock.control_url, "/v1/events")) == []
        with pytest.raises(ConfigError):
            Mock({"instance": {"region": "nowhere"}})

    run(scenario())


def test_with_and_without_a_control_plane(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        off = {**LOCAL, "control": {"enabled": False}}
        async with Mock(off, port=0) as mock:
            assert (mock.control_url, mock.control_sockets) == (None, None)
        async with Mock({**LOCAL, "control": {"socket": str(tmp_path / "a.sock")}}, port=0) as mock:
            assert mock.control_sockets is not None
            assert mock.control_sockets.path == tmp_path / "a.sock"
            assert (tmp_path / "a.sock").is_socket()
        assert not (tmp_path / "a.sock").exists()
        async with Mock(LOCAL, port=0) as mock:
            assert mock.control_sockets is not None
            assert mock.control_sockets.path is None, "no folder was given for a Unix socket"

    run(scenario())


def test_a_mock_can_take_the_unix_socket_of_one_that_stops(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sock"
    config = {**LOCAL, "control": {"socket": str(path)}}

    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with Mock(config, port=0) as first:
                await first.control_ready.wait()
                close = first.callers.close

                async def start_second() -> None:
                    # The first one's control plane has stopped.
                    assert not path.exists()
                    await stack.enter_async_context(Mock(config, port=0))
                    await close()

                monkeypatch.setattr(first.callers, "close", start_second)
            assert path.is_socket()
            await asyncio.to_thread(lambda: connect(path, 60).close())
        assert not path.exists()

    run(scenario())


def test_the_documented_example_runs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(f"async def example():\n{textwrap.indent(example, '    ')}", names)  # noqa: S102 - the page's own text
    run(names["example"]())
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ http://127\.0\.0\.1:\d+\n", capsys.readouterr().out)


def test_it_runs_once(run: Run) -> None:
    mock = Mock(LOCAL, port=0)
    run(use(mock))
    with pytest.raises(RuntimeError, match="make another one"):
        run(use(mock))


def test_outside_its_block_it_has_no_url() -> None:
    with pytest.raises(RuntimeError, match="does not run"):
        _ = Mock(LOCAL).endpoint_url


def process_state() -> dict[str, Any]:
    """What a mock must leave as it was."""
    gc.collect()
    descriptors = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            descriptors.append(str(each.readlink()))
    loggers = [logging.getLogger(name) for name in ("", "asyncio", "uvicorn", "uvicorn.error", "uvicorn.access")]
    return {
        "descriptors": sorted(descriptors),
        "threads": sorted(each.name for each in threading.enumerate()),
        "handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "switch interval": sys.getswitchinterval(),
        "loggers": [(each.level, list(each.handlers), each.propagate) for each in loggers],
        "standard error": sys.stderr,
        "frozen": gc.get_freeze_count(),
        "children": [path.read_text() for path in Path("/proc/self/task").glob("*/children")],
    }


async def use(mock: Mock) -> None:
    """Enter a mock, use both planes, and leave it with open connections."""
    async with mock:
        assert mock.control_url is not None
        address = mock.addresses[0]
        with socket.create_connection((address.host, address.port)):
            assert await get(mock.endpoint_url, "/latest/meta-data/instance-id") == "i-1234567890abcdef0"
            assert json.loads(await get(mock.control_url, "/v1/events")) == []


def test_three_in_a_row_and_three_at_once_leave_nothing_behind(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def config(number: int) -> dict[str, Any]:
        return {
            "server": {"hosts": ["127.0.0.1"], "access_log_file": str(tmp_path / f"{number}.log")},
            "control": {"socket": str(tmp_path / f"{number}.sock")},
            # Its program takes longer than the mock runs.
            "credentials": {"source": "profile", "wait_seconds": 0},
        }

    async def scenario() -> set[asyncio.Task[Any]]:
        for number in range(3):
            await use(Mock(config(number), port=0))
        await asyncio.gather(*(use(Mock(config(number), port=0)) for number in range(3)))
        return asyncio.all_tasks() - {asyncio.current_task()}

    run(use(Mock(config(0), port=0)))  # imports, and what they open, once
    before = process_state()
    assert run(scenario()) == set()
    assert process_state() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.log", "1.log", "2.log"]
    assert len((tmp_path / "1.log").read_text().splitlines()) == 2
    assert capfd.readouterr() == ("", ""), "it prints nothing unless asked"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"server": {"hosts": ["127.0.0.1", "192.0.2.1"]}}, ListenError),
        ({"server": {"hosts": ["127.0.0.1"], "access_log_file": "/nowhere/access.log"}}, LogFileError),
        ({**LOCAL, "control": {"socket": "/nowhere/control.sock"}}, ControlListenError),
        ({**LOCAL, "signing": {"key_directory": "/proc/nowhere"}}, KeyDirectoryError),
    ],
    ids=["address", "log file", "control socket", "keys"],
)
def test_a_start_that_fails_half_way_leaves_nothing_behind(
    run: Run, change: dict[str, Any], error: type[MockError]
) -> None:
    async def scenario() -> set[asyncio.Task[Any]]:
        with pytest.raises(error):
            await use(Mock(change, port=0))
        return asyncio.all_tasks() - {asyncio.current_task()}

    run(scenario())
    before = process_state()
    assert run(scenario()) == set()
    assert process_state() == before


def test_leaving_the_block_stops_fetches(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, forever = asyncio.Event(), asyncio.Event()

    async def hang(*_arguments: object) -> None:
        begun.set()
        await forever.wait()

    monkeypatch.setattr("imds_mock.credentials.fetching._run", hang)

    async def scenario() -> None:
        async with Mock({**LOCAL, "credentials": {"source": "profile", "wait_seconds": 0}}, port=0):
            await begun.wait()

    run(asyncio.wait_for(scenario(), 60))


def test_leaving_the_block_ends_connections_and_its_own_exception_counts(
    run: Run,
) -> None:
    async def scenario() -> None:
        mock = Mock(LOCAL, port=0)
        with pytest.raises(KeyError):
            async with mock:
                raise KeyError
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(mock.addresses[0])

    run(scenario())


def test_a_changed_file_is_taken_over_and_a_wrong_one_is_not(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("server: {hosts: [127.0.0.1]}\n")
    said: list[str] = []

    async def scenario() -> None:
        logged = asyncio.Event()

        def log(sentence: str) -> None:
            said.append(sentence)
            if "reload" in sentence:
                logged.set()

        async with Mock(file, port=0, dependencies=Dependencies(log=log)) as mock:
            file.write_text("server: {hosts: [127.0.0.1]}\ninstance: {region: eu-west-1}\n")
            await asyncio.wait_for(logged.wait(), 60)
            assert await get(mock.endpoint_url, "/latest/meta-data/placement/region") == "eu-west-1"
            logged.clear()
            file.write_text("instance: {region: nowhere}\n")
            mock.reload()
            await asyncio.wait_for(logged.wait(), 60)
            assert await get(mock.endpoint_url, "/latest/meta-data/placement/region") == "eu-west-1"
            assert mock.runtime.reloads["applied"] == 1

    run(scenario())
    assert "configuration reloaded" in said


def test_a_source_of_its_own_is_read_again(run: Run) -> None:
    regions = iter(["eu-west-1", "eu-west-2"])
    source = ConfigSource(lambda: Mock({**LOCAL, "instance": {"region": next(regions)}}).state.config)

    async def scenario() -> None:
        reloaded = asyncio.Event()
        log = Dependencies(log=lambda sentence: reloaded.set() if sentence == "configuration reloaded" else None)
        async with Mock(source.read(), port=0, source=source, dependencies=log) as mock:
            mock.reload()
            await asyncio.wait_for(reloaded.wait(), 60)
            assert await get(mock.endpoint_url, "/latest/meta-data/placement/region") == "eu-west-2"

    run(scenario())


def test_the_access_log_goes_where_it_is_sent(run: Run) -> None:
    reading, writing = os.pipe()
    outlet = Outlet(writing)

    async def scenario() -> None:
        # Without a control plane to stop, the lines of the last 50 ms are written only because the block ends.
        config = {**LOCAL, "control": {"enabled": False}}
        async with Mock(config, port=0, dependencies=Dependencies(access_log=outlet)) as mock:
            await get(mock.endpoint_url, "/latest/meta-data/instance-id")

    run(scenario())
    outlet.close_file()
    with os.fdopen(reading) as log:
        assert " GET /latest/meta-data/instance-id 200 v1 " in log.read()


def test_a_request_that_fails_is_reported_to_the_loop(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
        async with Mock(LOCAL, port=0) as mock:
            monkeypatch.setattr(mock.runtime.state, "snapshot_for", fail)
            context = mock.data_plane._context  # type: ignore[union-attr]  # it runs
            monkeypatch.setattr(context, "respond", fail)
            with pytest.raises(AssertionError, match="500"):
                await get(mock.endpoint_url, "/")
        assert [type(each) for each in reported] == [ZeroDivisionError]

    run(scenario())


def test_importing_the_package_is_cheap() -> None:
    program = "import sys, imds_mock; print(*(each for each in sys.modules if each.startswith('imds_mock.')))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"
    assert {"Mock", "ConfigSource", "Dependencies"} == set(imds_mock.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = imds_mock.Nothing


def test_the_web_framework_is_not_imported_with_the_mock() -> None:
    program = "import sys, imds_mock.run.program; print(*sorted({'starlette', 'uvicorn'} & sys.modules.keys()))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"


def test_the_control_plane_can_be_loaded_on_demand(run: Run) -> None:
    async def main() -> None:
        async with Mock(LOCAL, port=0, dependencies=Dependencies(control_on_demand=True)) as mock:
            await asyncio.sleep(0)
            assert not mock.control_ready.is_set()
            where = urlsplit(str(mock.control_url))
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert mock.control_ready.is_set()
            writer.close()

    run(main())
