"""The section of docs/clients.md about SDKs: one row per SDK in each of its tables."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from support.clients_page import with_section
from support.conformance.sdks import SDKS
from support.conformance.situations import AGENT_FAULTS, ASSERTED, IMDS_FAULTS, LEAF_FAULTS, SHORT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from support.conformance.runs import Runs
    from support.conformance.sdk import Sdk
    from support.conformance.situations import Situation
    from support.conformance.stage import Run

_NOTHING: Final = "-"
# What differs from run to run: the duration, and the day.
_VARYING: Final = re.compile(r", \d+\.\d s\b|\b\d{4}-\d\d-\d\d\b")
_VALUES: Final = ("SDK", "version", *(situation.name for situation in ASSERTED), "what it lacks", "measured on")
_OF_IMDS: Final = ("SDK", *(situation.name for situation in IMDS_FAULTS))
_OF_LEAF: Final = ("SDK", *(situation.name for situation in LEAF_FAULTS))
_OF_AGENT: Final = ("SDK", *(situation.name for situation in AGENT_FAULTS))
_HEADINGS: Final = (_VALUES, _OF_IMDS, _OF_LEAF, _OF_AGENT)

_TOP: Final = """
`make conformance` writes this section. A program of each SDK runs against `imds-mock` in a network namespace without
a way out, where the mock holds 169.254.169.254, [fd00:ec2::254], 169.254.170.2 (the ECS agent) and 169.254.170.23 (the
EKS agent).

### Values

A cell names the version of the IMDS, or the agent, and what the SDK read there: *keys* (access key, secret key and
session token), the *region*, or a leaf of the *metadata* through the SDK's own client. All values are those that the
mock serves.

"""

_FAULTS: Final = """
### Faults

What each SDK does if a request for the role's credentials fails, with tokens optional. A cell has the outcome, the
number of requests and the time from the first request to the end of the program.

* **one 503**: the first response on the path has the status 503, no body and no `Retry-After`. **only 503**: all do.
* **token revoked between two calls**: the first session token is valid for the list of roles, and rejected with 401 for
  the credentials, as after a restart of the IMDS. A new token works. The response with the list is 0.4 s late.
* **one credentials response 2 s late**: the first response with credentials is delayed; a second one is not. Requests
  that the SDK abandons count.
* An error named after a signal, such as SIGABRT, means that the SDK aborted the process.

"""

_LEAF: Final = """
The same for the availability zone, read with the SDK's own client of the metadata; some clients read more to find it.
If the SDK has an asynchronous client too, its outcome follows after a semicolon. An error `null` or `nil` means that
the client returned this, without an exception.

"""

_AGENT: Final = """
The same for credentials from the ECS agent, while the IMDS answers as usual. The late response comes after 4 s,
because some SDKs wait for 2 s.

"""


def renewed_page(page: str, sdk: Sdk, runs: Runs) -> str:
    """The page with the rows of an SDK.

    If its versions, outcomes and numbers of requests are the same, the rows stay as they are, with their day and
    durations. A difference counts if a second run has it, too.
    """
    tables = [_rows(page, heading) for heading in _HEADINGS]
    known = [rows.get(sdk.name, []) for rows in tables]
    measured = [
        [sdk.version(), *_cells_of_values(sdk, runs), _lacks(sdk), f"{datetime.now(tz=UTC):%Y-%m-%d}"],
        _confirmed(known[1], sdk, IMDS_FAULTS, runs),
        _confirmed(known[2], sdk, LEAF_FAULTS, runs),
        _confirmed(known[3], sdk, AGENT_FAULTS, runs),
    ]
    if [_lasting(cells) for cells in known] != [_lasting(cells) for cells in measured]:
        for rows, cells in zip(tables, measured, strict=True):
            rows[sdk.name] = cells
    texts = (_TOP, _FAULTS, _LEAF, _AGENT)
    parts = zip(texts, _HEADINGS, tables, strict=True)
    return with_section(page, "".join(text + _table(heading, rows) for text, heading, rows in parts))


def listed_sdks(page: str) -> list[list[str]]:
    """The names of the SDKs in each table."""
    return [list(_rows(page, heading)) for heading in _HEADINGS]


def _rows(page: str, heading: tuple[str, ...]) -> dict[str, list[str]]:
    """The cells of a table by the first one."""
    lines = iter(page.partition(_line(heading))[2].splitlines()[1:])
    rows: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("| "):
            break
        name, *cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
        rows[name] = cells
    return rows


def _lasting(cells: list[str]) -> list[str]:
    return [_VARYING.sub("", cell) for cell in cells]


def _table(heading: tuple[str, ...], rows: Mapping[str, list[str]]) -> str:
    lines = [_line(heading), "|" + "---|" * len(heading) + "\n"]
    lines += [_line((sdk.name, *rows[sdk.name])) for sdk in SDKS if sdk.name in rows]
    return "".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _cells_of_values(sdk: Sdk, runs: Runs) -> list[str]:
    cells = []
    for situation in ASSERTED:
        told: dict[str, list[str]] = {}
        for case in situation.cases_of(sdk):
            right = _is_right(sdk, situation, case, runs)
            name = SHORT_NAMES.get(case, case) if right else f"**{case} differs**"
            told.setdefault(situation.version_of(sdk, case), []).append(name)
        cells.append("; ".join(f"{_shown(version)}: {', '.join(names)}" for version, names in told.items()) or _NOTHING)
    return cells


def _shown(version: str) -> str:
    return f"IMDS{version}" if version.startswith("v") else version.upper()


def _is_right(sdk: Sdk, situation: Situation, case: str, runs: Runs) -> bool:
    run = runs.result(sdk, situation, case)
    return run.values == run.expected


def _lacks(sdk: Sdk) -> str:
    return "; ".join(f"{case}: {reason}" for case, reason in sdk.lacks.items()) or _NOTHING


def _confirmed(known: list[str], sdk: Sdk, situations: Sequence[Situation], runs: Runs) -> list[str]:
    cells = []
    for situation, before in itertools.zip_longest(situations, known[: len(situations)]):
        cases = situation.cases_of(sdk)
        cell = _joined(_outcome(runs.result(sdk, situation, case)) for case in cases)
        if before is not None and _lasting([cell]) != _lasting([before]):
            cell = _joined(_outcome(runs.repeated(sdk, situation, case)) for case in cases)
        cells.append(cell)
    return cells


def _joined(outcomes: Iterable[str]) -> str:
    return "; ".join(outcomes) or _NOTHING


def _outcome(run: Run) -> str:
    number = len(run.requests)
    return f"{run.outcome}, {number} request{'' if number == 1 else 's'}, {run.seconds:.1f} s".replace("|", "/")
