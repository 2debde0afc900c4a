"""The table at the end of the attack tests."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Row:
    """One line of the table.

    Attributes:
        attack: Name of the attack.
        inputs: Number of inputs sent.
        figures: Measurements with units, by name.
        held: Whether the test passed.
    """

    attack: str
    inputs: int = 0
    figures: dict[str, str] = field(default_factory=dict)
    held: bool = False


def rendered(rows: list[Row]) -> list[str]:
    """The lines of the table."""
    width = max((len(row.attack) for row in rows), default=0)
    return [
        f"{'held' if row.held else 'FAILED':<6} {row.attack:<{width}} {row.inputs:>9,}  "
        + ", ".join(f"{name} {value}" for name, value in row.figures.items())
        for row in rows
    ]
