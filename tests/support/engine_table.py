"""The table of engines in docs/ways-in.md, written from the results of the tier `engines`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from support.paths import ROOT

PAGE: Final = ROOT / "docs/ways-in.md"
BEGIN: Final = "<!-- make engines writes the lines from here on. -->\n"
END: Final = "<!-- make engines has written the lines up to here. -->\n"
COLUMNS: Final = (
    "README's stack", "entrypoint-shim", "link-local-ip", "link-local-route", "link-local-network", "shared-namespace",
    "environment", "names and targets", "control plane from the host",
)  # fmt: skip
NOTES: Final = ("Swarm of two nodes", "`podman kube play`", "`podman kube play`, rootless")
YES: Final = "yes"


@dataclass
class Results:
    """What works on which engine.

    Attributes:
        engines: The engines of a complete run, in the order of the rows.
        rows: For each engine its columns, each "yes" or "no: " with the reason.
        versions: For each engine the versions of its programs.
        notes: What was run beside the table, for each of `NOTES`.
    """

    engines: tuple[str, ...] = ()
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def record(self, engine: str, column: str, result: str = YES) -> None:
        """Record one cell."""
        assert column in COLUMNS
        self.rows.setdefault(engine, {})[column] = result

    def note(self, name: str, text: str) -> None:
        """Record one line below the table."""
        assert name in NOTES
        self.notes[name] = text

    @property
    def is_complete(self) -> bool:
        """Whether all of it has a result; otherwise some tests were not selected, or failed."""
        cells = [self.rows.get(engine, {}) for engine in self.engines]
        return bool(cells) and all({*each} == {*COLUMNS} for each in cells) and {*self.notes} == {*NOTES}

    def write(self) -> None:
        """Write table and notes into the page."""
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        renewed = f"{before}{BEGIN}{self.text()}{END}{rest.partition(END)[2]}"
        # Tiers that run side by side read the page, which is empty while it is written.
        if renewed != page:
            PAGE.write_text(renewed)

    def text(self) -> str:
        """Table and notes as Markdown."""
        lines = [["engine", *COLUMNS], ["---"] * (1 + len(COLUMNS))]
        lines += [[self.versions[each], *(self.rows[each][column] for column in COLUMNS)] for each in self.engines]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return f"{table}\n" + "".join(f"* {name}: {self.notes[name]}\n" for name in NOTES)


def cells(page: str) -> dict[str, dict[str, str]]:
    """The table in the page: for each engine its columns."""
    found = re.search(re.escape(BEGIN) + "(.*?)" + re.escape(END), page, re.DOTALL)
    assert found is not None
    heading, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines() if line.startswith("|")
    ]
    return {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows}
