"""The program with its control plane: where it listens, what it does without, and the configuration file."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.mockprogram import running_program
from support.mockserver import Answer, head, read_all
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from support.mockprogram import RunningProgram


def get(program: RunningProgram, path: str) -> Answer:
    with socket.create_connection(("127.0.0.1", program.port), 60) as client:
        client.sendall(head("GET", path).encode())
        return Answer.parse(read_all(client))


@pytest.mark.parametrize("by_signal", [False, True])
def test_a_changed_file_is_taken_over_and_a_bad_one_is_not(tmp_path: Path, by_signal: bool) -> None:  # noqa: FBT001 - two ways
    file = tmp_path / "mock.yaml"
    file.write_text("metadata: {meta-data/x: one}\n")
    watching = ["--set", "server.watch_config=false"] if by_signal else []
    with running_program(tmp_path, ["--config", str(file), "--control", "off", *watching]) as program:

        def change(text: str) -> None:
            new = tmp_path / "new.yaml"
            new.write_text(text)
            new.replace(file)
            if by_signal:
                program.process.send_signal(signal.SIGHUP)

        assert get(program, "/latest/meta-data/x").body == b"one"
        change("metadata: {meta-data/y: two}\n")
        program.await_line("configuration reloaded")
        assert get(program, "/latest/meta-data/y").body == b"two"
        assert get(program, "/latest/meta-data/x").status == 404
        assert b"x" not in get(program, "/latest/meta-data/").body.split(b"\n")
        change("metadata: {nowhere: two}\n")
        refused = program.await_line("cannot reload the configuration.*").group()
        assert f"{file}" in refused
        assert "nowhere" in refused
        assert get(program, "/latest/meta-data/y").body == b"two"
        change("server: {max_headers: 50}\n")
        program.await_line("changes to section server take effect at the next start")
        assert program.end() == 0


def test_flags_and_variables_still_win_after_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("instance: {region: eu-west-1}\n")
    options = ["--config", str(file), "--control", "off", "--set", "instance.region=eu-west-3"]
    with running_program(tmp_path, options, IMDS_MOCK_INSTANCE_TYPE="m7g.large") as program:
        file.write_text("instance: {region: eu-west-2, instance_type: m5.large, role: other}\n")
        program.await_line("configuration reloaded")
        assert get(program, "/latest/meta-data/placement/region").body == b"eu-west-3"
        assert get(program, "/latest/meta-data/instance-type").body == b"m7g.large"
        assert get(program, "/latest/meta-data/iam/security-credentials/").body == b"other"


def test_without_a_control_plane_nothing_of_it_listens(tmp_path: Path) -> None:
    with running_program(tmp_path, ["--control", "off"]) as program:
        assert get(program, "/latest/meta-data/instance-id").status == 200
        assert list(tmp_path.glob("**/*.sock")) == []
        refused = program.ctl("status", "--url", "http://127.0.0.1:1")
        assert refused.returncode == 69
        assert program.end() == 0


def test_the_socket_is_this_users_alone_and_goes_with_the_program(tmp_path: Path) -> None:
    with running_program(tmp_path) as program:
        path = Path(program.await_line(r"control plane on unix:(\S+),")[1])
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert program.ctl("status").returncode == 0
        assert program.end() == 0
        assert not path.exists()


def test_a_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with running_program(tmp_path, ["--set", f"control.socket={path}"]) as program:
        program.await_line("control plane on unix:")
        assert program.ctl("status", "--url", f"unix:{path}").returncode == 0


def test_ctl_gives_up_on_a_mock_that_hangs_and_says_so(tmp_path: Path) -> None:
    with running_program(tmp_path) as program:
        path = program.await_line(r"control plane on unix:(\S+),")[1]
        program.process.send_signal(signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(BlockingIOError):
                while True:
                    waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                    waiting.setblocking(False)
                    waiting.connect(path)
            asked = subprocess.run(
                [IMDS_MOCK, "ctl", "status"],
                env=program.environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        program.process.send_signal(signal.SIGCONT)
        assert (asked.returncode, asked.stderr.count("\n")) == (69, 1)
        assert "it accepts no connections for 10 s" in asked.stderr


def test_a_place_that_cannot_be_listened_on_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for options, words in (
            (
                ["--control-port", port],
                f":{port} for the control plane: another program listens on it; choose another --control-port",
            ),
            (["--port", port, "--control-port", port], f"both have port {port}; choose another --control-port"),
            (["--set", f"control.socket={tmp_path}/none/x.sock"], "control.socket: cannot listen on"),
        ):
            done = subprocess.run(
                [
                    IMDS_MOCK,
                    "serve",
                    "--host",
                    "127.0.0.1",
                    *(() if "--port" in options else ("--port", "0")),
                    *options,
                ],
                env={
                    "PATH": os.environ["PATH"],
                    "XDG_RUNTIME_DIR": str(tmp_path),
                    "IMDS_MOCK_CONTROL_HOSTS": "127.0.0.1",
                },
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 71
            assert words in done.stderr
            assert done.stderr.count("\n") == 1


def test_the_token_lets_a_caller_in_from_elsewhere_and_is_not_shown(tmp_path: Path) -> None:
    token = "a-token-of-more-than-16"  # noqa: S105 - made up
    with running_program(tmp_path, IMDS_MOCK_CONTROL_TOKEN=token) as program:
        program.await_line("control plane on unix:")
        shown = program.ctl("config", "show", "control.token").stdout
        assert shown == '"********"\n'
        assert program.end() == 0
    assert token not in "".join(program.lines)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("[{event: {kind: spot}}]", "the metadata path 'meta-data/spot' cannot hold a value and"),
        ("[" + "{event: {kind: rebalance}}, " * 1001 + "]", "1000 events are armed"),
        (
            "[{event: {kind: spot, notice: soon}}]",
            "steps[0].event.notice: expected a duration such as 30s, 2m, 1h30m or 250ms",
        ),
    ],
)
def test_a_scenario_that_cannot_be_played_ends_the_start_with_one_sentence(
    tmp_path: Path, steps: str, words: str
) -> None:
    scenario, config = tmp_path / "scenario.yaml", tmp_path / "config.yaml"
    scenario.write_text(f"steps: {steps}\n")
    config.write_text("metadata: {meta-data/spot: a leaf}\n")
    refused = subprocess.run(
        [
            *(IMDS_MOCK, "serve", "--host", "127.0.0.1", "--port", "0", "--control", "off"),
            *("--scenario", str(scenario), "--config", str(config)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (78, 1)
    assert words in refused.stderr


def test_a_scenario_says_once_when_a_step_begins_that_its_target_matches_no_caller(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    steps = "[{event: {kind: spot}}, {at: 1h, event: {kind: rebalance}}, {at: 10ms, fault: {kind: reset, target: wbe}}]"
    scenario.write_text(f"target: ghost\nsteps: {steps}\n")
    with running_program(tmp_path, ["--scenario", str(scenario)]) as program:
        program.await_line("scenario: 'wbe' matches no caller")
        said = [line for line in program.lines if "no caller" in line]
    assert [line.partition(" matches")[0] for line in said] == [
        "imds-mock: scenario: 'ghost'",
        "imds-mock: scenario: 'wbe'",
    ]


def test_a_scenario_is_played_from_the_start(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("steps: [{event: {kind: spot}}, {fault: {kind: status, status: 500, path: '*/iam/*'}}]\n")
    with running_program(tmp_path, ["--scenario", str(scenario), "--control", "off"]) as program:
        assert get(program, "/latest/meta-data/spot/instance-action").status == 200
        assert get(program, "/latest/meta-data/iam/info").status == 500
