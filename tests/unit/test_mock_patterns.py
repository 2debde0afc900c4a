"""Patterns for paths: one rule for faults, filters and assertions, the one that docs/control.md states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.patterns import BEGINNING, PathPattern


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["/", "/latest", "/latest/meta-data/iam/"], []),
        (
            "*/iam/*",
            [
                "/latest/meta-data/iam/",
                "/latest/meta-data/iam",
                "/latest/meta-data/iam/info",
                "/2021-03-23/meta-data/iam/a/b",
            ],
            ["/latest/meta-data/", "/latest/meta-data/iamb/", "/latest/meta-data/xiam/info"],
        ),
        (
            "meta-data/iam/...",
            ["/latest/meta-data/iam", "/latest/meta-data/iam/", "/1.0/meta-data/iam/security-credentials/r"],
            ["/latest/meta-data/iamb", "/latest/meta-data/"],
        ),
        (".../iam/...", ["/latest/meta-data/iam/", "/latest/meta-data/iam/info"], ["/latest/meta-data/mac"]),
        ("/latest/meta-data/mac", ["/latest/meta-data/mac", "/latest/meta-data/mac/"], ["/latest/meta-data/macs/"]),
        ("/latest/meta-data/mac/", ["/latest/meta-data/mac", "/latest/meta-data/mac/"], ["/latest/meta-data/mac/x"]),
        ("latest/meta-data/ma?", ["/latest/meta-data/mac"], ["/latest/meta-data/ma/", "/latest/meta-data/macs"]),
        ("*/ma[bc]", ["/latest/meta-data/mac"], ["/latest/meta-data/mad", "/latest/meta-data/ma"]),
        ("*/ma[!bc]", ["/latest/meta-data/mad"], ["/latest/meta-data/mac", "/latest/meta-data/ma/"]),
        ("*/a[0-9]", ["/x/a7"], ["/x/ab", "/x/a-"]),
        ("*/a[+--b]", ["/x/a+", "/x/a,", "/x/a-", "/x/ab"], ["/x/a.", "/x/a*"]),
        ("*/a[]^-]", ["/x/a]", "/x/a^", "/x/a-"], ["/x/ab"]),
        ("*/a[[:b]", ["/x/a[", "/x/a:", "/x/ab"], ["/x/a"]),
        ("*b*bc*c", ["/abbcc", "/bbcbcc"], ["/bbc", "/bcc", "/bbcd"]),
        ("/", ["/"], ["/latest"]),
        ("user-data", ["/latest/user-data", "/2009-04-04/user-data/"], ["/user-data", "/a/b/user-data"]),
        ("*/a.c", ["/x/a.c"], ["/x/abc"]),
        ("*/[", ["/x/["], ["/x/a"]),
        ("*/a+(b)", ["/x/a+(b)"], ["/x/aab"]),
        ("*spot*", ["/latest/meta-data/spot/instance-action", "/latest/meta-data/spot/"], ["/latest/meta-data/"]),
    ],
)
def test_a_pattern_matches_these_paths_and_no_others(pattern: str, matching: list[str], others: list[str]) -> None:
    rule = PathPattern(pattern)
    assert [path for path in matching if not rule.matches(path)] == []
    assert [path for path in others if rule.matches(path)] == []


def test_a_question_mark_requires_a_character() -> None:
    below = PathPattern("*/iam/?*")
    assert [below.matches(f"/latest/meta-data/iam{end}") for end in ("", "/", "/info", "/info/")] == [0, 0, 1, 1]


def test_many_asterisks_take_no_longer_than_one() -> None:
    assert not PathPattern("*a" * 500 + "b").matches("/" + "a" * 1000)
    assert PathPattern("*a" * 500 + "*b").matches("/" + "a" * 1000 + "b")


@pytest.mark.parametrize("pattern", ["*/[z-a]", "/[+-*]"])
def test_a_range_that_runs_backwards_is_named(pattern: str) -> None:
    with pytest.raises(FieldError, match="ends before it begins"):
        PathPattern(pattern)


paths = st.lists(st.text("ab.-+[]!^\\(){}|$", min_size=1, max_size=4), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@given(paths, st.booleans(), st.booleans())
def test_a_slash_at_the_end_does_not_matter(path: str, of_pattern: bool, of_path: bool) -> None:  # noqa: FBT001 - drawn
    pattern = path.replace("[", "?")
    assert PathPattern(pattern + "/" * of_pattern).matches(path + "/" * of_path) or "..." in pattern
    assert PathPattern(f"{pattern}/*").matches(path + "/" * of_path)
    assert PathPattern(f"{pattern}/...").matches(f"{path}/x")


@given(st.text(min_size=1), paths)
def test_any_pattern_is_accepted_or_rejected_by_field(pattern: str, path: str) -> None:
    try:
        PathPattern(pattern).matches(path)
    except FieldError as error:
        field = error.field
    else:
        field = "path"
    assert field == "path"


@pytest.mark.parametrize("pattern", ["", "x" * 1025, "iam/*", "mata-data/iam"])
def test_a_pattern_that_can_match_nothing_is_rejected(pattern: str) -> None:
    with pytest.raises(FieldError):
        PathPattern(pattern)


def test_a_pattern_has_at_most_as_many_characters_as_a_recorded_path() -> None:
    assert PathPattern("*" * 1024).matches("/latest")
    with pytest.raises(FieldError, match="expected a pattern of at most 1024 characters, got 1025"):
        PathPattern("*" * 1025)


@given(st.from_regex(BEGINNING))
def test_every_pattern_that_the_openapi_document_allows_is_accepted(text: str) -> None:
    PathPattern(text[:1024])
