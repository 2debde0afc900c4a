"""Text that is not JSON, in our own words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.violations.syntax import json_problem
from support.library_wording import LIBRARY_WORDING


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is empty"),
        ("{", "it ends too early, at line 1, column 2; check brackets and quotes"),
        ('{"a": b}', "unexpected 'b' at line 1, column 7; put text in double quotes"),
        ("{'a': 1}", 'unexpected "\'" at line 1, column 2; put text in double quotes'),
        ('{"a": 1,}', "unexpected '}' at line 1, column 9; remove the comma before it"),
        ("[1,\n 2,\n ]", "unexpected ']' at line 3, column 2; remove the comma before it"),
        ('{"a": 1\n"b": 2}', "unexpected '\"' at line 2, column 1"),
        ('{"a": [1}', "unexpected '}' at line 1, column 9"),
        ("[" * 100_000, "it cannot be read; check quotes, brackets and nesting"),
    ],
)
def test_what_is_not_json(text: str, sentence: str) -> None:
    assert json_problem(text) == sentence


@pytest.mark.parametrize(("text", "comma"), [('{"a": 1,}', 7), ("[1,\n 2,\n ]", 6)])
def test_a_trailing_comma_is_described_alike_on_every_python(
    text: str, comma: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 and newer point at the comma, older ones at the bracket."""
    own = json_problem(text)

    def loads(_text: str) -> None:
        raise json.JSONDecodeError("Illegal trailing comma before end of array", text, comma)

    monkeypatch.setattr(json, "loads", loads)
    assert json_problem(text) == own


@given(st.text())
def test_any_text_that_is_not_json_is_refused_in_our_own_words(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        assert not LIBRARY_WORDING.search(json_problem(text))
        assert json_problem(text).isprintable()
