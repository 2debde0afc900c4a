"""Every `imds-mock` command of the README parses; what they do is shown where each is tested."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from imds_mock.commands import ctl

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
COMMANDS = re.findall(r"^docker compose exec mock_metadata imds-mock ctl (.*)$", README, re.MULTILINE)


def test_there_are_some() -> None:
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str) -> None:
    parser = argparse.ArgumentParser()
    ctl.add_arguments(parser)
    assert parser.parse_args(shlex.split(command)) is not None
