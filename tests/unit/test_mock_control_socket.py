"""Where the control plane's Unix socket is, and what becomes of those that nobody listens on any more."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

import pytest

from imds_mock.config.settings import Config, ControlSettings, ServerSettings
from imds_mock.control.start import ControlListenError, ControlSockets
from imds_mock.control_socket import connect, find, folders, open_at, open_default

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def left_behind(path: Path) -> Path:
    """The socket of a mock that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    return path


def test_it_is_for_this_user_alone(tmp_path: Path) -> None:
    with open_default(folders({"XDG_RUNTIME_DIR": str(tmp_path)}, os.geteuid()), "1338") as opened:
        path = opened.path
        assert path == tmp_path / "imds-mock" / "1338.sock"
        assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
        assert find({"XDG_RUNTIME_DIR": str(tmp_path)}) == [path]


def test_those_of_killed_mocks_are_taken_away_and_no_others(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    first = open_default(folders(environ, os.geteuid()), "80")
    dead = left_behind(first.path.with_name("81.sock"))
    foreign = first.path.with_name("notes.txt")
    foreign.write_text("not ours")
    second = open_default(folders(environ, os.geteuid()), "82")
    with first, second:
        assert not dead.exists()
        assert sorted(first.path.parent.iterdir()) == [first.path, second.path, foreign]
        assert find(environ) == [first.path, second.path]


def test_a_dead_mocks_place_is_taken_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path = left_behind(tmp_path / "80.sock")
    with open_at(path):
        with pytest.raises(OSError, match="in use") as refused:
            open_at(path)
        assert refused.value.errno == errno.EADDRINUSE
        assert list(tmp_path.iterdir()) == [path]


def test_what_a_start_of_the_same_process_id_left_behind_does_not_matter(tmp_path: Path) -> None:
    left_behind(tmp_path / f".{os.getpid()}")
    path = tmp_path / "80.sock"
    with open_at(path):
        assert path.is_socket()


def test_a_file_that_another_mock_has_taken_stays(tmp_path: Path) -> None:
    path = tmp_path / "80.sock"
    first = open_at(path)
    path.unlink()
    with open_at(path) as second:
        first.close()
        assert second.path.is_socket()
        connect(path, 1).close()
    assert not path.exists()
    second.close()  # a file that has gone is no error


def test_the_file_goes_before_the_socket_stops_listening(tmp_path: Path) -> None:
    """Otherwise another mock could take the path between the check and the removal."""
    path = tmp_path / "80.sock"
    opened = open_at(path)
    listening = opened.listening
    existed = []

    class Watched:
        def close(self) -> None:
            existed.append(path.exists())
            listening.close()

    opened.listening = cast("socket.socket", Watched())
    opened.close()
    assert existed == [False]


def test_the_longest_path_of_a_socket_is_the_kernels(tmp_path: Path) -> None:
    longest = tmp_path / ("x" * (107 - len(str(tmp_path)) - 1))
    with open_at(longest), connect(longest, 1):
        pass
    too_long = longest.with_name(f"{longest.name}x")
    with pytest.raises(OSError, match="108 bytes") as refused:
        open_at(too_long)
    assert refused.value.errno == errno.ENAMETOOLONG
    assert not too_long.exists()
    config = Config(server=ServerSettings(("127.0.0.1",), 0), control=ControlSettings(socket=str(too_long)))
    with pytest.raises(ControlListenError, match=r"control\.socket: .* at most 107; choose a shorter path"):
        ControlSockets.open(config, (), print)


def test_a_folder_whose_path_is_too_long_is_passed_over(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / ("x" * 100))}
    (tmp_path / ("x" * 100)).mkdir()
    with open_default(folders(environ, os.geteuid()), "1338-passed-over") as opened:
        assert not opened.path.is_relative_to(tmp_path)


class Hung:
    """A mock that accepts no connections: its queue is full."""

    def __init__(self, path: Path) -> None:
        self.stack = contextlib.ExitStack()
        listening = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(path))
        listening.listen(0)
        waiting = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(path))


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "imds-mock"
    folder.mkdir(mode=0o700)
    path = folder / "80.sock"
    mock = Hung(path)
    with mock.stack:
        yield path


def test_a_mock_that_hangs_keeps_its_socket_and_delays_no_other(hung: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(hung.parent.parent)}
    with pytest.raises(OSError, match="in use"):
        soon(lambda: open_at(hung))
    with soon(lambda: open_default(folders(environ, os.geteuid()), "81")) as opened:
        assert hung.exists()
        assert soon(lambda: find(environ)) == [hung, opened.path]


def test_connecting_to_a_mock_that_hangs_has_a_limit_of_time(hung: Path) -> None:
    with pytest.raises(TimeoutError, match="accepts no connections"):
        soon(lambda: connect(hung, 0.1))


def soon(call: Callable[[], Any]) -> Any:
    """What a call returns or raises, which must not take long."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except OSError as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(10)


def test_a_file_of_somebody_elses_stays(tmp_path: Path) -> None:
    path = tmp_path / "80.sock"
    path.write_text("not ours")
    with pytest.raises(OSError, match="in use"):
        open_at(path)
    assert path.read_text() == "not ours"


@pytest.mark.parametrize(
    ("served", "asked_for", "hosts"),
    [
        (("127.0.0.1",), (), {"127.0.0.1"}),
        (("127.0.0.2", "::1"), (), {"127.0.0.2", "::1"}),
        ((), (), {"0.0.0.0", "::"}),  # noqa: S104 - what is to be shown
        (("127.0.0.1",), ("127.0.0.3",), {"127.0.0.3"}),
        (("127.0.0.1", "169.254.169.254"), (), {"0.0.0.0", "::"}),  # noqa: S104 - likewise
    ],
)
def test_a_mock_for_this_machine_is_driven_from_this_machine(
    served: tuple[str, ...], asked_for: tuple[str, ...], hosts: set[str]
) -> None:
    config = Config(server=ServerSettings(hosts=served, port=0), control=ControlSettings(hosts=asked_for, socket=""))
    listeners = ControlSockets.open(config, (), print)
    try:
        assert {listening.getsockname()[0] for listening in listeners.network} == hosts
    finally:
        listeners.close()
