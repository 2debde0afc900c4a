"""The tables of docs/shim.md match the code."""

from __future__ import annotations

import inspect
import signal

from imds_shim import errors
from imds_shim.config import SETTINGS, parse_command_line
from imds_shim.network import wait
from imds_shim.network.hosts import resolver_config
from imds_shim.settings import LONGEST_TIMEOUT_SECONDS
from support.paths import ROOT

DOCS = (ROOT / "docs/shim.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading."""
    section = DOCS.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_settings() -> None:
    assert rows("Settings") == [
        [f"`{setting.variable}`", f"`{setting.default}`" if setting.default else "", setting.help]
        for setting in SETTINGS
    ]


def test_exit_codes() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ShimError)]
    codes = {kind.exit_code for kind in kinds} - {errors.ShimError.exit_code}
    signals = {errors.Interrupted(number).exit_code for number in (signal.SIGINT, signal.SIGTERM)}
    assert [int(row[0]) for row in rows("Exit codes")] == sorted(codes | signals)


def test_ways_to_the_mock() -> None:
    (setting,) = [setting for setting in SETTINGS if setting.variable == "MOCK_ROUTE"]
    values = [row[0].strip("`") for row in rows("Ways to the mock: `MOCK_ROUTE`")]
    assert [setting.parse(value) for value in values] == values
    assert ", ".join(values[:-1]) + f" or {values[-1]}" in setting.help


def test_options() -> None:
    synopsis = DOCS.partition("```\n")[2].partition("```")[0]
    options = [word for word in synopsis.split() if word.startswith("--") and word != "--"]
    assert [parse_command_line([option.encode()])[0] for option in options] == [option[2:] for option in options]


def test_numbers() -> None:
    assert f"at most {LONGEST_TIMEOUT_SECONDS}," in DOCS
    assert f"from {wait.FIRST_PAUSE_SECONDS} s to {wait.LONGEST_PAUSE_SECONDS} s" in DOCS
    assert f"every {wait.LOG_INTERVAL_SECONDS:.0f} s otherwise" in DOCS
    assert f"`timeout` seconds ({resolver_config('').timeout_seconds})" in DOCS
