"""The pictures of the pages: both schemes exist, the text alternative is there, and they refer to no other host."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from diagrams import PALETTES, WAYS, diagram
from support.paths import ROOT
from terminal_recording import THEMES, Recorded, svg

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "docs" / "pictures"
PICTURE = re.compile(
    r'<picture>\n  <source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">\n'
    r'  <img alt="([^"]{20,})" src="([^"]+)">\n</picture>\n'
)
PAGES = [ROOT / "README.md", ROOT / "docs" / "performance.md", ROOT / "docs" / "ways-in.md"]


def shown(page: Path) -> list[tuple[Path, Path]]:
    """The dark and the light file of each picture of a page."""
    return [(page.parent / dark, page.parent / light) for dark, _, light in PICTURE.findall(page.read_text())]


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_has_a_dark_and_a_light_version(page: Path) -> None:
    text = page.read_text()
    assert len(shown(page)) == text.count("<picture") == text.count("<img") > 0
    for dark, light in shown(page):
        assert dark.is_file()
        assert light.is_file()
        assert dark.name.replace("-dark.", "-light.") == light.name


def test_every_picture_is_shown() -> None:
    assert {file.resolve() for page in PAGES for pair in shown(page) for file in pair} == set(FOLDER.iterdir())


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.svg")), ids=lambda file: file.name)
def test_a_picture_refers_to_no_other_file(file: Path) -> None:
    text = file.read_text()
    ET.fromstring(text)  # noqa: S314 - our own file
    assert re.findall(r'(?:href|src)="[^#]|url\((?!#)|@import|<script', text) == []


@pytest.mark.parametrize("way", WAYS)
def test_the_diagram_of_a_way_is_renewed(way: str) -> None:
    for name, palette in PALETTES.items():
        assert (FOLDER / f"way-{way}-{name}.svg").read_text() == diagram(WAYS[way], palette), "run make pictures"


def test_there_is_a_diagram_of_every_way() -> None:
    listed = set(re.findall(r"examples/([a-z-]+)\)", (ROOT / "docs/ways-in.md").read_text()))
    assert set(WAYS) == listed - {"ci", "pytest"}


def test_a_recording_shows_each_command_at_its_time() -> None:
    recorded = [Recorded("one <a>", "\x1b[1;35mfirst\x1b[0m   \n"), Recorded("two", f"{'x' * 100}\nlast\n")]
    picture = svg(recorded, "title", THEMES["dark"])
    texts = [text for each in ET.fromstring(picture).iter() if (text := (each.text or "").strip())]  # noqa: S314
    assert "one\xa0<a>" in texts
    assert "first" in texts
    assert texts.index("first") < texts.index("two")
    delays = dict(re.findall(r"line-(\d+)\)\"\]\{animation:appear \.1s ([\d.]+)s both\}", picture))
    # The rules end with the last line of a command, of an output with the blank line after it.
    assert delays == {"0": "0.0", "2": "0.7", "3": "2.3", "7": "3.0"}
    assert "@media (prefers-reduced-motion:no-preference)" in picture
