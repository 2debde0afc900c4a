"""A new kind of event or fault is one class and one line: a copy of the mock with two made-up kinds shows the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from support.mockprogram import RunningProgram, running_program
from support.new_kinds import copy_with_new_kinds
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the mock's sources with the two kinds."""
    return copy_with_new_kinds(tmp_path_factory.mktemp("src"))


@pytest.fixture(scope="module")
def mock(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    options = ["--access-log", "off", "--set", "control.port=0"]
    with running_program(tmp_path_factory.mktemp("run"), options, PYTHONPATH=str(sources)) as program:
        program.await_line("control plane on unix:")
        yield program


def run(mock: RunningProgram, *command: str) -> str:
    """What a command of the copy prints."""
    environment = {**mock.environment, "PYTHONPATH": f"{mock.environment['PYTHONPATH']}:{ROOT / 'scripts'}"}
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **environment, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def ctl(mock: RunningProgram, *words: str) -> str:
    return run(mock, "-c", "import sys; from imds_mock.cli import main; sys.exit(main())", "ctl", *words)


def test_the_kinds_have_commands_with_help(mock: RunningProgram) -> None:
    assert "    eclipse      announce an eclipse\n" in ctl(mock, "--help")
    told = ctl(mock, "eclipse", "--help")
    assert "--phase {partial,total}" in told
    assert "how much of the sun is hidden (default: total)" in " ".join(told.split())
    assert "--warning DURATION time to the maximum (default: unknown)" in " ".join(told.split())
    assert "    echo           repeat the body of the response\n" in ctl(mock, "fault", "add", "--help")
    assert "N how often (1 to 1000000000)" in " ".join(ctl(mock, "fault", "add", "echo", "--help").split())


def test_the_kinds_are_armed_seen_and_counted(mock: RunningProgram) -> None:
    event = json.loads(ctl(mock, "eclipse", "--phase", "partial", "--json"))
    assert (event["kind"], event["event"]) == ("eclipse", {"kind": "eclipse", "phase": "partial"})
    with urllib.request.urlopen(f"http://127.0.0.1:{mock.port}/latest/meta-data/eclipse", timeout=60) as answer:
        assert answer.read() == b"partial"
    assert ctl(mock, "assert", "--saw", "eclipse").startswith("eclipse was first seen by 127.0.0.1 at ")
    fault = json.loads(ctl(mock, "fault", "add", "echo", "3", "--path", "/none", "--json"))
    assert fault["fault"] == {"kind": "echo", "times": 3, "path": "/none"}
    metrics = control(mock, "/metrics").decode()
    assert 'imds_mock_events{kind="eclipse",state="active"} 1' in metrics
    assert 'imds_mock_faults{kind="echo",state="active"} 1' in metrics


def test_the_schema_has_the_kinds(mock: RunningProgram) -> None:
    document = json.loads(control(mock, "/openapi.json"))
    schemas: dict[str, Any] = document["components"]["schemas"]
    assert schemas["Eclipse"]["description"].startswith("Announce an eclipse.")
    assert schemas["Eclipse"]["properties"]["phase"]["description"] == "How much of the sun is hidden."
    assert schemas["EchoFault"]["required"] == ["kind", "times"]


def test_the_tables_of_the_page_have_the_kinds(mock: RunningProgram) -> None:
    tables = run(mock, "-c", "import reference; print(reference.events(), reference.faults())")
    assert (
        "| `eclipse [--phase partial\\|total] [--warning DURATION]` | `eclipse` | "
        "Announce an eclipse. `eclipse` shows the phase. |" in tables
    )
    assert "| `eclipse` | `warning` | " in tables
    assert "| `fault add echo N` | `echo` | Repeat the body of the response. The body comes several times. |" in tables


def control(mock: RunningProgram, path: str) -> bytes:
    port = next(line.rpartition(":")[2] for line in mock.lines if "control plane on unix:" in line)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return bytes(answer.read())
