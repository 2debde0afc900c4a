"""The results of a run as a file, from which the page and the pictures are written."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import references
from outcomes import Figures, NotMeasuredError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outcomes import Outcome

FILE: Final = Path(__file__).with_name("results.json")
_DIGITS: Final = 6


class Results(NamedTuple):
    """The results of a run.

    Attributes:
        machine: When and on what it ran, by name.
        outcomes: By key of the row.
    """

    machine: Mapping[str, str]
    outcomes: Mapping[str, Outcome]


def machine() -> Mapping[str, str]:
    """Day, processors and versions of the programs that matter for the figures."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "day": time.strftime("%Y-%m-%d", time.gmtime()),
        "processors": f"{os.cpu_count()} x {model[1].strip() if model else platform.machine()}",
        "kernel": f"Linux {'.'.join(platform.release().split('.')[:2])}",
        "Python": platform.python_version(),
        "nginx": _nginx_version(),
    }


def _nginx_version() -> str:
    try:
        printed = subprocess.run([references.nginx_program(), "-v"], capture_output=True, text=True, check=True).stderr
    except (NotMeasuredError, OSError, subprocess.CalledProcessError):
        return "missing"
    return printed.strip().rpartition("/")[2]


def save(results: Results, file: Path) -> None:
    """Write a file."""
    outcomes = {
        key: outcome
        if isinstance(outcome, str)
        else {
            "values": [round(value, _DIGITS) for value in outcome.values],
            "measured": round(outcome.measured, _DIGITS),
            "reference": None if outcome.reference is None else round(outcome.reference, _DIGITS),
            "busy": None if outcome.busy is None else round(outcome.busy, _DIGITS),
        }
        for key, outcome in results.outcomes.items()
    }
    file.write_text(json.dumps({"machine": results.machine, "outcomes": outcomes}, indent=1) + "\n")


def load(file: Path) -> Results:
    """Read a file that `save` wrote."""
    read = json.loads(file.read_text())
    outcomes: dict[str, Outcome] = {
        key: outcome
        if isinstance(outcome, str)
        else Figures(tuple(outcome["values"]), outcome["measured"], outcome["reference"], outcome["busy"])
        for key, outcome in read["outcomes"].items()
    }
    return Results(read["machine"], outcomes)
