"""docs/security.md: every claim names tests, and the tests exist."""

from __future__ import annotations

import re

import pytest

from support.paths import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`", PAGE)
MUST_BE_HELD = ("Settings of the owner", "Secrets", "What each listener accepts")


def named_tests() -> list[tuple[str, str]]:
    """The named tests as (file, function); a function without a file is in the file named before it."""
    tests: list[tuple[str, str]] = []
    for file, function in NAMED:
        if file or function:
            tests.append((file or tests[-1][0], function))
    return tests


@pytest.mark.parametrize(("file", "function"), sorted(set(named_tests())))
def test_a_test_that_the_page_names_is_there(file: str, function: str) -> None:
    text = (ROOT / file).read_text()
    assert not function or f"def {function}(" in text


@pytest.mark.parametrize("section", MUST_BE_HELD)
def test_every_claim_names_its_test(section: str) -> None:
    part = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert rows
    assert [row for row in rows if "`tests/" not in row] == []
