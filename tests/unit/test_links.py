"""Every relative link of every page leads to a file and, if it has a fragment, to a heading."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from support.paths import ROOT

_FENCED = re.compile(r"^ *(```+|~~~+).*?^ *\1[^\n]*$", re.DOTALL | re.MULTILINE)
_CODE_SPAN = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def _pages() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


def _anchors(text: str) -> set[str]:
    """The headings' fragments as on GitHub: lower case, no punctuation, hyphens, numbered if repeated."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        repeated = found.get(name, 0)
        found[name] = repeated + 1
        anchors.add(f"{name}-{repeated}" if repeated else name)
    return anchors


def _broken(page: Path) -> list[str]:
    """The link targets of `page` that do not exist."""
    broken = []
    for target in _LINK.findall(_CODE_SPAN.sub("", _FENCED.sub("", page.read_text()))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = unquote(target).partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (fragment and fragment not in _anchors(file.read_text())):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", _pages())
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    assert _broken(ROOT / page) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Two words, `code`\n## Again\n## Again\n```sh\n# no heading\n[no](link.md)\n```\n"
        "[a](#two-words-code) [b](#again-1) [c](page.md#again) [d](https://example.com/x) `[e](f.md)`\n"
        "[g](gone.md) [h](#no-heading) [i](page.md#again-2)\n"
    )

    assert _broken(page) == ["gone.md", "#no-heading", "page.md#again-2"]
