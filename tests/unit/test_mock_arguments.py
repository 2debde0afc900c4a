"""The command line: a mistake ends with code 64 and one line that names what was meant."""

from __future__ import annotations

import argparse
import io
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.arguments import Parser
from imds_mock.cli import main
from imds_mock.commands import COMMANDS, ctl, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FOREIGN = re.compile(r"invalid|unrecognized|the following arguments|argument [A-Z-]|choose from|expected one argument")


def mistake(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 64
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not FOREIGN.search(said)
    assert len(said) < 250
    return said


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("serve --prot 80", "imds-mock serve: unknown option --prot; did you mean --port? See imds-mock serve --help"),
        ("serve --prot=80", "unknown option --prot; did you mean --port?"),
        (
            "serve --prot 80 --confg x",
            "unknown option --prot; did you mean --port?, unknown option --confg; did you mean",
        ),
        ("serve --qqqq", "unknown option --qqqq; see imds-mock serve --help"),
        ("serve 80", "unexpected argument '80'"),
        ("serve --port", "--port: expected a value"),
        ("serve --port x", "--port: expected a whole number, got 'x'"),
        ("serve --set abc", "--set: expected KEY=VALUE, got 'abc'"),
        ("serve --access-log jsn", "--access-log: expected text or json or off, got 'jsn'; did you mean json?"),
        ("serve --co x", "--co: expected one of --config, --control, --control-port"),
        ("ctl", "missing COMMAND"),
        ("ctl spto", "imds-mock ctl: unknown command 'spto'; did you mean spot? See imds-mock ctl --help"),
        ("ctl qqqq", "imds-mock ctl: unknown command 'qqqq'; see imds-mock ctl --help"),
        ("ctl spot interupt", "imds-mock ctl spot: unknown action 'interupt'; did you mean interrupt?"),
        ("ctl fault add statsu", "imds-mock ctl fault add: unknown kind 'statsu'; did you mean status?"),
        ("ctl fault add delay", "missing DURATION"),
        ("ctl fault add delay 1s --rate x", "--rate: expected a number, got 'x'"),
        ("ctl requests --folow", "unknown option --folow; did you mean --follow?"),
        ("ctl assert", "give one of --no-imdsv1, --asked or --saw"),
        ("ctl assert --asked x --no-imdsv1", "--no-imdsv1 and --asked exclude each other; give one of them"),
        ("ctl maintenance reboot", "CODE: expected instance-reboot or "),
        ("ctl lifecycle InServce", "did you mean InService?"),
        ("health --timeout -1", "--timeout: expected a number of seconds above 0 and up to 3600, got '-1'"),
        ("health --timeout 0", "above 0 and up to 3600, got '0'"),
        ("health --timeout 1e300", "above 0 and up to 3600, got '1e300'"),
        ("health --timeout nan", "above 0 and up to 3600, got 'nan'"),
        ("health --timeout x", "above 0 and up to 3600, got 'x'"),
        ("srve", "imds-mock: unknown command 'srve'; did you mean serve?"),
        ("compose-override", "missing --services"),
    ],
)
def test_what_was_meant_is_named(line: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in mistake(line.split(), capsys)


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every command as words, with the options that it has."""
    yield words, [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands(below, (*words, name))


def every_command() -> list[tuple[tuple[str, ...], list[str]]]:
    found: list[tuple[tuple[str, ...], list[str]]] = []
    for name in COMMANDS:
        parser = Parser(prog=f"imds-mock {name}")
        load(name).add_arguments(parser)
        found += commands(parser, (name,))
    return found


EVERY_COMMAND = every_command()


@given(st.sampled_from(EVERY_COMMAND), st.data())
def test_a_misspelt_option_of_any_command_names_the_right_one(
    command: tuple[tuple[str, ...], list[str]], data: st.DataObject
) -> None:
    words, options = command
    option = data.draw(st.sampled_from([each for each in options if len(each) > 5] or ["--help"]))
    place = data.draw(st.integers(3, len(option) - 1))
    wrong = f"{option[:place]}{'q' * (len(option) > 6)}{option[place + 1 :]}x"
    stderr, sys.stderr = sys.stderr, io.StringIO()
    try:
        with pytest.raises(SystemExit) as ended:
            main([*words, wrong])
        said = sys.stderr.getvalue()
    finally:
        sys.stderr = stderr
    assert ended.value.code == 64
    assert not FOREIGN.search(said), said
    # Something else may be missing, which is said first.
    assert f"unknown option {wrong}" in said or "missing " in said or "give one of" in said


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(
    "line",
    ["status", "spot interrupt", "fault add reset", "config show instance.region", "events list", "credentials rotate"],
)
def test_the_options_of_ctl_may_stand_anywhere(line: str, place: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = line.split()
    words[place:place] = ["--url", "unix:/none/such", "--json"]
    assert main(["ctl", *words]) == 69
    assert "no control plane answers at unix:/none/such" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--url=unix:/none", "status"], ["status", "--url=unix:///none"]])
def test_a_socket_is_given_as_a_path_or_a_url(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser()
    ctl.add_arguments(parser)
    assert parser.parse_args(words).json is False
    assert main(["ctl", *words]) == 69
    assert "(No such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (["compose-override", "--services", "web", "--file", "-"], "docker compose config"),
        (["ctl", "play", "-", "--url", "unix:/none"], ""),
        (["ctl", "config", "patch", "-", "--url", "unix:/none"], ""),
    ],
)
@pytest.mark.parametrize("given_text", ["", " \n"])
def test_an_empty_standard_input_is_reported(
    words: list[str], more: str, given_text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(given_text))
    assert main(words) == 65
    said = capsys.readouterr().err
    assert "standard input was empty" in said
    assert "--interactive" in said
    assert more in said


def test_an_empty_scenario_file_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.yaml").write_text("")
    assert main(["ctl", "play", str(tmp_path / "s.yaml"), "--url", "unix:/none"]) == 78
    assert "s.yaml: expected a scenario with steps, got nothing" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_fits_a_terminal_of_80_columns(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if len(line) > 80]


@pytest.mark.parametrize("columns", ["100", "0", "wide", ""])
def test_help_is_as_wide_as_argparse_makes_it(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = " ".join(["word"] * 60)

    def help_of(formatter: Any) -> str:
        parser = Parser(prog="x", formatter_class=formatter)
        parser.add_argument("--option", help=text)
        return parser.format_help()

    assert help_of(Parser(prog="x").formatter_class) == help_of(argparse.HelpFormatter)


@pytest.mark.parametrize("words", [["serve", "--port"], ["serve"], ["ctl"], ["ctl", "spot"], ["ctl", "get", "a"]])
def test_a_document_in_place_of_an_argument_is_not_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = mistake([*words, "password: hunter2\n" * 500], capsys)
    assert "hunter2" not in said
    assert len(said) < 1200
