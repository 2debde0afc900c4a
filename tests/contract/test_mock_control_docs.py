"""docs/control.md: every command in it runs, and its tables say what the program has."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING

import pytest

from imds_mock.arguments import Parser
from imds_mock.commands import ctl
from imds_mock.events.kinds import EVENTS
from imds_mock.faults.kinds import FAULTS
from imds_mock.violations.words import tag_of
from support.mockprogram import RunningProgram, running_program
from support.paths import IMDS_MOCK, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = (ROOT / "docs" / "control.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [text for language, text in BLOCKS if language == "sh"]
SCENARIO = next(text for language, text in BLOCKS if language == "yaml" and text.startswith("# interruption.yaml"))


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    with running_program(tmp_path_factory.mktemp("run"), ["--access-log", "off"]) as program:
        program.await_line("control plane on unix:")
        yield program


def control_port(mock: RunningProgram) -> str:
    return next(found[1] for line in mock.lines if (found := re.search(r"control plane on .*127\.0\.0\.1:(\d+)", line)))


def test_every_command_of_the_page_runs(mock: RunningProgram, tmp_path: Path) -> None:
    (tmp_path / "interruption.yaml").write_text(SCENARIO)
    assert len(COMMANDS) >= 7
    for block in COMMANDS:
        urllib.request.urlopen(f"http://127.0.0.1:{mock.port}/latest/meta-data/instance-id", timeout=60).close()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.replace("127.0.0.1:1339", f"127.0.0.1:{control_port(mock)}")],
            cwd=tmp_path,
            env={**mock.environment, "PATH": f"{IMDS_MOCK.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout[-500:], done.stderr)


def test_the_table_of_the_api_is_the_api(mock: RunningProgram) -> None:
    rows = re.findall(r"^\| ((?:`[A-Z]+` ?)+)\| `(/\S+)` \|", PAGE, re.MULTILINE)
    told = {(method, path) for methods, path in rows for method in re.findall(r"[A-Z]+", methods)}
    with urllib.request.urlopen(f"http://127.0.0.1:{control_port(mock)}/openapi.json", timeout=60) as answer:
        paths = json.load(answer)["paths"]
    assert told == {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_every_operation_has_its_curl() -> None:
    curls = next(block for block in COMMANDS if block.startswith("api="))
    for methods, path in re.findall(r"^\| ((?:`[A-Z]+` ?)+)\| `(/\S+)` \|", PAGE, re.MULTILINE):
        pattern = re.escape(path).replace(r"\{id\}", r"\$id").replace(r"\{path\}", r"[\w/-]+")
        for method in re.findall(r"[A-Z]+", methods):
            lines = [line for line in curls.splitlines() if re.search(rf'\$api{pattern}(?=[\s"?)]|$)', line)]
            said = [(re.search(r"-X ([A-Z]+)", line) or [None, "GET"])[1] for line in lines]
            assert method in said, (method, path)


def test_the_page_names_every_command() -> None:
    parser = Parser(prog="ctl")
    ctl.add_arguments(parser)
    for words in leaves(parser, ()):
        told = [words[-1]] if words[:2] == ("fault", "add") else [" ".join(words)]
        assert any(text in PAGE for text in told), words


@pytest.mark.parametrize("kind", [tag_of(kind) for kind in (*EVENTS, *FAULTS)])
def test_the_page_names_every_kind(kind: str) -> None:
    assert re.search(rf"^\|.*`{kind}( |`)", PAGE, re.MULTILINE)


def leaves(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    nested = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not nested:
        yield words
    for each in nested:
        for name, below in each.choices.items():
            yield from leaves(below, (*words, name))
