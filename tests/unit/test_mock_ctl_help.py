"""`imds-mock ctl ... --help`: every command says what it does, and how what it takes is written."""

from __future__ import annotations

import argparse
import contextlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from imds_mock.aemm import usage as aemm_usage
from imds_mock.aemm.keys import Command
from imds_mock.arguments import FORMATS, Parser
from imds_mock.cli import main
from imds_mock.commands import COMMANDS as COMMAND_NAMES
from imds_mock.commands import ctl, load
from imds_mock.scheduling.schedule import read_duration, read_instant
from imds_shim import config as shim_config

if TYPE_CHECKING:
    from collections.abc import Callable


def parsers(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Each command below this one: what the list says of it, and its own parser."""
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for listed in action._choices_actions:
                own = action.choices[listed.dest]
                found[own.prog] = (listed.help or "", own)
                found |= parsers(own)
    return found


def all_parsers() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    root = Parser(prog="imds-mock ctl")
    ctl.add_arguments(root)
    root.declare_all()
    return parsers(root)


COMMANDS = all_parsers()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_begins_with_its_text_in_the_list(name: str) -> None:
    listed, parser = COMMANDS[name]
    assert listed
    assert "\n" not in listed
    said = " ".join(parser.format_help().split())
    assert f" {listed[0].upper()}{listed[1:]}. " in said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_positional_argument_is_explained(name: str) -> None:
    _listed, parser = COMMANDS[name]
    for action in parser._actions:
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction):
            assert action.help or action.metavar in FORMATS or action.choices, action.dest


@pytest.mark.parametrize("name", COMMANDS)
def test_every_form_in_the_usage_has_an_example(name: str) -> None:
    _listed, parser = COMMANDS[name]
    said = " ".join(parser.format_help().split())
    for word, examples in FORMATS.items():
        asked = re.search(rf"\b{word}\b", parser.format_usage())
        assert (f"{word} is written like {examples}" in said) == bool(asked), word


def every_help() -> dict[str, str]:
    """The help of every command of all programs, in a terminal of 80 columns."""
    found = {"ec2-metadata-mock": "".join(map(aemm_usage.help_text, Command)), "imds-shim": shim_config.help_text()}
    for name in COMMAND_NAMES:
        root = Parser(prog=f"imds-mock {name}", description=load(name).__doc__)
        load(name).add_arguments(root)
        root.declare_all()
        for prog, (_listed, parser) in {root.prog: ("", root), **parsers(root)}.items():
            found[prog] = parser.format_help()
    return found


def test_every_help_fits_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ([], ["--help"]):
        with contextlib.suppress(SystemExit):
            main(words)
    captured = capsys.readouterr()
    helps = {"imds-mock": captured.out + captured.err, **every_help()}
    assert {"imds-mock serve", "imds-mock ctl assert", "imds-mock ctl fault add status"} <= set(helps)
    assert {prog: line for prog, text in helps.items() for line in text.splitlines() if len(line) > 80} == {}


def test_the_examples_can_be_read() -> None:
    for text in re.split(", | or ", FORMATS["DURATION"]):
        assert read_duration("for", text) > 0
    assert read_instant("at", FORMATS["TIME"]) == datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def declared(declare: Callable[[argparse.ArgumentParser], None]) -> list[str]:
    root = Parser(prog="ctl")
    declare(root)
    action = next(each for each in root._actions if isinstance(each, argparse._SubParsersAction))
    return list(action.choices)


ALL = declared(ctl.add_arguments)
BY_MODULE = {name: module for module, names in ctl._MODULES.items() for name in names}


@pytest.mark.parametrize("name", ALL)
def test_a_command_is_declared_whatever_is_left_out(name: str) -> None:
    for words in ([name, "x"], ["--url", "y", "--json", name], ["--color=auto", name, "clock"]):
        found = declared(lambda parser, words=words: ctl.add_arguments_for(words, parser))  # type: ignore[misc]
        assert found == (list(ctl._MODULES[BY_MODULE[name]]) if name in BY_MODULE else ALL)


@pytest.mark.parametrize("words", [[], ["--help"], ["request"], ["--url"], ["--url", "requests"]])
def test_all_commands_are_declared_if_none_is_named(words: list[str]) -> None:
    assert declared(lambda parser: ctl.add_arguments_for(words, parser)) == ALL
