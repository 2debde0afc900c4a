"""Where the control plane's Unix socket is, and what becomes of those that nobody listens on any more."""

from __future__ import annotations

import errno
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from imds_mock.config.settings import Config, ControlSettings, ServerSettings
from imds_mock.run.control_socket import find, open_at, open_default
from imds_mock.run.control_start import open_listeners

if TYPE_CHECKING:
    from pathlib import Path


def left_behind(path: Path) -> Path:
    """The socket of a mock that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    return path


def test_it_is_for_this_user_alone(tmp_path: Path) -> None:
    listening, path = open_default({"XDG_RUNTIME_DIR": str(tmp_path)}, "1338")
    with listening:
        assert path == tmp_path / "imds-mock" / "1338.sock"
        assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
        assert find({"XDG_RUNTIME_DIR": str(tmp_path)}) == [path]


def test_those_of_killed_mocks_are_taken_away_and_no_others(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    first, living = open_default(environ, "80")
    dead = left_behind(living.with_name("81.sock"))
    foreign = living.with_name("notes.txt")
    foreign.write_text("not ours")
    second, path = open_default(environ, "82")
    with first, second:
        assert not dead.exists()
        assert sorted(living.parent.iterdir()) == [living, path, foreign]
        assert find(environ) == [living, path]


def test_a_dead_mocks_place_is_taken_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path = left_behind(tmp_path / "80.sock")
    with open_at(path):
        with pytest.raises(OSError, match="in use") as refused:
            open_at(path)
        assert refused.value.errno == errno.EADDRINUSE
        assert list(tmp_path.iterdir()) == [path]


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
    listeners = open_listeners(config, {})
    try:
        assert {listening.getsockname()[0] for listening in listeners.network} == hosts
    finally:
        listeners.close()
