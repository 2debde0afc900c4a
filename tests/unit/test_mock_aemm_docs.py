"""docs/migrating-from-amazon-ec2-metadata-mock.md lists every flag, variable and key with its native equivalent."""

from __future__ import annotations

import argparse
import importlib
import re
from typing import TYPE_CHECKING

import pytest

from imds_mock.aemm import data
from imds_mock.aemm.arguments import HELP, VERSION
from imds_mock.aemm.keys import COMMANDS, FLAG_KEYS, KEYS, Command
from imds_mock.arguments import Parser
from imds_mock.config.errors import dotted
from imds_mock.config.sources import key_types
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = (ROOT / "docs/migrating-from-amazon-ec2-metadata-mock.md").read_text("utf-8")
COMMAND_NAMES = {Command.ALL: "all", Command.SPOT: "`spot`", Command.EVENTS: "`events`"}


def rows(heading: str) -> list[list[str]]:
    section = DOCS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_flags() -> None:
    expected = []
    for key in FLAG_KEYS:
        flag = f"`--{key.flag}`" + (f", `-{key.short}`" if key.short else "")
        default = "none" if key.default == "" else f"`{key.default}`".replace("False", "false")
        expected.append([flag, COMMAND_NAMES[key.command], f"`{key.variable}`", f"`{key.name}`", default])
    assert [row[:-1] for row in rows("Flags, variables, keys")] == expected
    assert f"`--{HELP.flag}` and `--{VERSION.flag}` are `-{HELP.short}` and `-{VERSION.short}`" in DOCS


def test_commands_and_aliases() -> None:
    table = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in rows("Commands")}
    for name, aliases in table.items():
        if name in COMMANDS:
            same = [other for other, command in COMMANDS.items() if command is COMMANDS[name]]
            assert sorted([name, *aliases]) == sorted(same)
    assert {name for name in table if name in COMMANDS} | {a for all_ in table.values() for a in all_} == set(COMMANDS)


def test_paths_and_values() -> None:
    expected = []
    for row in data.ROWS:
        value = f"{row.section}.values.{row.key}"
        if row.value is None:
            variable = "no value of its own"
        else:
            name = "AEMM_" + value.upper().replace("-", "_").replace(".", "_")
            variable = f"`{name}_…`" if isinstance(row.value, dict) else f"`{name}`"
            assert any(key == value or key.startswith(f"{value}.") for key in KEYS)
        expected.append([f"`{row.section}.*.{row.key}`", f"`{data.ROOTS[row.section]}{row.path}`", variable])
    assert [row[:-1] for row in rows("Paths and values of the metadata")] == expected
    assert f"`{data.EVENT_ID_KEY}` (`{KEYS[data.EVENT_ID_KEY].variable}`)" in DOCS


def test_documented_native_settings_exist() -> None:
    known = {dotted(path) for path in key_types()}
    named = set(re.findall(r"`((?:server|metadata_options|instance|credentials|signing)\.[a-z0-9_]+)", DOCS))
    assert named
    assert named - KEYS.keys() <= known


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.update(action.choices)
    return found


def native_commands() -> Iterator[list[str]]:
    for span in re.findall(r"`(?:imds-mock )?(ctl [^`]+)`", DOCS):
        yield span.split()[1:]


@pytest.mark.parametrize("words", list(native_commands()), ids=" ".join)
def test_documented_native_commands_exist(words: list[str]) -> None:
    root = Parser()
    importlib.import_module("imds_mock.commands.ctl").add_arguments(root)
    root.declare_all()
    parser: argparse.ArgumentParser = root
    while words and (below := subcommands(parser)):
        assert words[0] in below
        parser, words = below[words[0]], words[1:]
    options = {option for action in parser._actions for option in action.option_strings}
    assert {word for word in words if word.startswith("--")} <= options


def test_documented_start_commands_are_valid() -> None:
    from imds_mock.aemm.arguments import parse
    from imds_mock.commands.ec2_metadata_mock import is_meant

    shown = re.findall(r"^\$ (ec2-metadata-mock|imds-mock) (.*?)(?: +#.*)?$", DOCS, re.MULTILINE)
    assert [line for _, line in shown] == ["-p 80", "-p 80", "serve --set compatibility=aemm"]
    for _, line in shown[:2]:
        assert parse(line.split()).values == {"server.port": 80}
        assert is_meant(line.split(), {})
    (command,) = re.findall(r"command: (\[.*?\])", DOCS)
    words = [word.strip(' "') for word in command.strip("[]").split(",")]
    assert parse(words).values == {"mock-delay-sec": 10, "spot.action": "stop"}
