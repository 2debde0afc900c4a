"""docs/security.md: every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/security.md").read_text())))


def test_the_page_names_tests() -> None:
    assert len(NAMED) >= 4


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_limit_is_held_by_a_test(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()
