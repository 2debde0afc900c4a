"""`imds-mock ctl top` in a real pseudo-terminal: what it shows, its keys, a resize, and a restart of the mock."""

from __future__ import annotations

import os
import signal
import termios
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from imds_mock.ctl.times import seconds
from imds_mock.ctl.watching import MOST_REQUESTS, rates_of
from support.mockprogram import RunningProgram, running_program
from support.paths import IMDS_MOCK
from support.ports import reserved_port
from support.prepared_control_plane import HOSTILE, prepared_control_plane, request
from support.processes import children_of
from support.pseudo_terminal import Terminal, plain, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

ALTERNATE_SCREEN, USUAL_SCREEN, CURSOR_SHOWN = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    with running_program(tmp_path_factory.mktemp("run"), ["--access-log", "off"]) as program:
        program.await_line("control plane on unix:")
        yield program


def get(program: RunningProgram, path: str) -> None:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{program.port}{path}", timeout=60).close()
    except urllib.error.HTTPError as error:
        error.close()


def top(program: RunningProgram, columns: int = 80, lines: int = 24) -> AbstractContextManager[Terminal]:
    environment = {**program.environment, "TERM": "xterm", "LANG": "C.UTF-8"}
    return terminal([IMDS_MOCK, "ctl", "top"], environment, columns, lines)


def frames(shown: Terminal) -> list[str]:
    """The screens, each drawn from the upper left corner; the last one may be unfinished."""
    return [text for frame in shown.output.split("\x1b[H")[1:] if (text := plain(frame))]


def is_restored(shown: Terminal) -> bool:
    """Whether the terminal shows the usual screen, the cursor and what is typed."""
    last = shown.output.rpartition(ALTERNATE_SCREEN)[2]
    return USUAL_SCREEN in last and CURSOR_SHOWN in last


def test_it_shows_callers_events_and_requests_within_80_by_24(mock: RunningProgram) -> None:
    assert mock.ctl("spot", "interrupt", "--in", "1h").returncode == 0
    with top(mock) as shown:
        shown.await_text("q quit")
        assert ALTERNATE_SCREEN in shown.output
        get(mock, "/latest/meta-data/placement/region")
        shown.await_text(
            r"(?s)requests/s.*spot-1 +pending +starts in 59m.*127\.0\.0\.1 +0\.\d.*/placement/region +200 +v1"
        )
        shown.type("q")
        assert shown.end() == 0
        complete = frames(shown)[:-1]
        assert complete
        for frame in complete:
            assert len(frame.splitlines()) <= 24
            assert max(map(cell_len, frame.splitlines())) <= 80
            assert "\x1b" not in frame
        assert is_restored(shown)


@pytest.mark.parametrize(("key", "number", "code"), [("q", 0, 0), ("\x03", 0, 0), ("", signal.SIGTERM, 143)])
def test_it_restores_the_terminal(mock: RunningProgram, key: str, number: int, code: int) -> None:
    modes: list[int] = []
    command = f'trap : INT; {IMDS_MOCK} ctl top; echo "code $?"; stty -a; read line'
    environment = {**mock.environment, "TERM": "xterm", "LANG": "C.UTF-8"}
    with terminal(["/bin/sh", "-c", command], environment) as shown:
        modes.append(shown.modes())
        shown.await_text("q quit")
        assert not shown.modes() & termios.ECHO
        assert not shown.modes() & termios.ICANON
        if number:
            (child,) = children_of(shown.process)
            os.kill(child, number)
        else:
            shown.type(key)
        shown.await_text(f"code {code}")
        shown.await_text("susp = ")
        assert is_restored(shown)
        assert shown.modes() == modes[0]
        shown.type("\n")
        assert shown.end() == 0


def test_it_follows_the_size_of_the_terminal(mock: RunningProgram) -> None:
    get(mock, "/latest/meta-data/instance-id")
    with top(mock, 120, 40) as shown:
        position = shown.await_text("(?s)TOKEN.*q quit")
        shown.resize(60, 12)
        shown.await_text(r"(?s)\n.*q quit.*requests/s", position)
        shown.type("q")
        assert shown.end() == 0
        last = [frame.splitlines() for frame in frames(shown)[:-1]]
        assert any(len(lines) <= 12 and max(map(cell_len, lines)) <= 60 for lines in last)


def test_it_survives_a_restart_of_the_mock(tmp_path: Path) -> None:
    with reserved_port() as port:
        options = ["--access-log", "off", "--port", str(port)]
        with running_program(tmp_path, options) as first:
            first.await_line("control plane on unix:")
            with top(first) as shown:
                shown.await_text("q quit")
                first.end()
                position = shown.await_text("waiting for the mock: no control plane answers at unix:")
                with running_program(tmp_path, options) as second:
                    second.await_line("control plane on unix:")
                    get(second, "/latest/meta-data/after-the-restart")
                    shown.await_text(r"(?s)/after-the-restart +404.*q quit *\n?$", position)
                    shown.type("q")
                    assert shown.end() == 0
                    assert is_restored(shown)


def test_no_text_from_outside_changes_the_terminal() -> None:
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8"}
    with (
        prepared_control_plane() as url,
        terminal([IMDS_MOCK, "ctl", "top", "--url", url], environment, 120, 40) as shown,
    ):
        shown.await_text(r"(?s)tokens required.*evil\\x1b.*漢字-バッチ-1.*q quit")
        shown.type("q")
        assert shown.end() == 0
        printed = plain(shown.output)
        assert [each for each in HOSTILE if not each.isprintable() and each in printed] == []


def test_without_a_terminal_it_says_what_to_use(mock: RunningProgram) -> None:
    done = mock.ctl("top", stdin="")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == (
        "imds-mock: top needs a terminal and has no JSON; use requests --follow, callers or events instead\n"
    )


def test_without_a_mock_it_ends_at_once(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "XDG_RUNTIME_DIR": str(tmp_path)}
    with terminal([IMDS_MOCK, "ctl", "top", "--url", "unix:/nowhere.sock"], environment) as shown:
        assert shown.end() == 69
        assert ALTERNATE_SCREEN not in shown.output
        assert "no control plane answers at unix:/nowhere.sock" in shown.output


def test_rates_are_those_of_the_last_ten_seconds() -> None:
    now = seconds("2026-01-31T12:00:30Z")
    entries = [request(second, second, f"172.18.0.{second % 2}", "", "/") for second in range(1, 31)]
    assert rates_of(entries, now) == {"172.18.0.0": 0.6, "172.18.0.1": 0.5}
    assert rates_of([], now) == {}
    full = [request(number, 28, "172.18.0.1", "", "/") for number in range(MOST_REQUESTS)]
    assert rates_of(full, now) == {"172.18.0.1": MOST_REQUESTS / 2}
