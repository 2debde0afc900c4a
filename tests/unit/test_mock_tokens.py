"""Session tokens: their form, their life, and that nothing but the genuine text is accepted."""

from __future__ import annotations

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imds_mock.service.tokens import MAX_TTL_SECONDS, Tokens

NOW = 1_700_000_000.0
INSTANCE = b"i-1234567890abcdef0"
ttls = st.integers(1, MAX_TTL_SECONDS)


def remaining_seconds(tokens: Tokens, token: str, now: float, instance: bytes) -> int | None:
    checked = tokens.check(token, now, instance)
    return None if checked is None else checked[0]


@given(ttls)
def test_a_token_has_the_form_of_a_current_instance(ttl: int) -> None:
    token = Tokens().issue(ttl, NOW, INSTANCE)
    raw = base64.urlsafe_b64decode(token)
    assert len(token) == 56
    assert token.startswith(b"AQAEA")
    assert token.endswith(b"==")
    assert len(raw) == 40
    assert raw[:4] == b"\x01\x00\x04\x00"


@given(ttls, st.floats(0, 22_000))
def test_the_remaining_life_counts_down_and_ends(ttl: int, elapsed: float) -> None:
    tokens = Tokens()
    token = tokens.issue(ttl, NOW, INSTANCE).decode()
    left = remaining_seconds(tokens, token, NOW + elapsed, INSTANCE)
    if elapsed > ttl:
        assert left is None
    elif elapsed < ttl - 0.001:
        assert left is not None
        assert 0 < left <= ttl
        assert abs(left - (ttl - elapsed)) <= 1


@given(ttls, st.floats(0, 22_000), st.floats(0, 1.5))
def test_the_remaining_life_is_the_same_number_until_the_time_given(ttl: int, elapsed: float, later: float) -> None:
    tokens = Tokens()
    token, now = tokens.issue(ttl, NOW, INSTANCE).decode(), NOW + elapsed
    checked = tokens.check(token, now, INSTANCE)
    assume(checked is not None)
    assert checked is not None
    seconds, until = checked
    assert now - 0.002 <= until <= now + 1
    if now + later < until:
        assert remaining_seconds(tokens, token, now + later, INSTANCE) == seconds


def test_the_life_at_the_very_start_is_what_was_asked_for() -> None:
    tokens = Tokens()
    token = tokens.issue(21_600, NOW, INSTANCE).decode()
    assert remaining_seconds(tokens, token, NOW, INSTANCE) == 21_600
    assert remaining_seconds(tokens, token, NOW + 17, INSTANCE) == 21_583
    assert remaining_seconds(tokens, token, NOW + 21_600, INSTANCE) is None


@pytest.mark.parametrize("ttl", [1, 60, MAX_TTL_SECONDS])
def test_a_clock_set_back_never_shows_more_than_the_lifetime(ttl: int) -> None:
    tokens = Tokens()
    assert remaining_seconds(tokens, tokens.issue(ttl, NOW, INSTANCE).decode(), NOW - 5000, INSTANCE) == ttl


@given(st.text(max_size=80))
def test_no_made_up_text_is_a_token(text: str) -> None:
    assert remaining_seconds(Tokens(), text, NOW, INSTANCE) is None


@pytest.mark.parametrize(
    "text", ["A" * 56, "AQAEA" + "!" * 51, "AQAEA" + "A" * 49 + "==", "=" * 56, "é" * 56, "A" * 52 + "===="]
)
def test_no_text_of_the_right_length_is_a_token(text: str) -> None:
    assert Tokens().check(text, NOW, INSTANCE) is None


@given(st.integers(0, 55), st.characters(max_codepoint=255))
def test_no_other_spelling_of_a_token_is_accepted(position: int, character: str) -> None:
    tokens = Tokens(key=b"k" * 32)
    token = tokens.issue(60, NOW, INSTANCE).decode()
    assume(token[position] != character)
    assert remaining_seconds(tokens, token[:position] + character + token[position + 1 :], NOW, INSTANCE) is None
    assert remaining_seconds(tokens, token, NOW, INSTANCE) == 60


def test_a_token_is_for_one_instance_and_one_key() -> None:
    tokens = Tokens()
    token = tokens.issue(60, NOW, INSTANCE).decode()
    assert remaining_seconds(tokens, token, NOW, INSTANCE) == 60
    assert remaining_seconds(tokens, token, NOW, b"i-0fedcba9876543210") is None
    assert remaining_seconds(Tokens(), token, NOW, INSTANCE) is None


def test_any_number_of_tokens_is_valid_and_what_is_remembered_is_bounded() -> None:
    tokens = Tokens()
    issued = [tokens.issue(60, NOW, INSTANCE).decode() for _ in range(5000)]
    assert len(set(issued)) == 5000
    assert all(remaining_seconds(tokens, token, NOW, INSTANCE) == 60 for token in issued)
    assert len(tokens._verified) <= 1024


def test_two_programs_with_one_key_accept_each_others_tokens() -> None:
    token = Tokens(key=b"k" * 32).issue(60, NOW, INSTANCE).decode()
    assert remaining_seconds(Tokens(key=b"k" * 32), token, NOW, INSTANCE) == 60


@given(ttls, st.floats(0, 21_000))
def test_a_token_tells_when_it_was_issued_as_long_as_it_is_good(ttl: int, elapsed: float) -> None:
    tokens = Tokens()
    token = tokens.issue(ttl, NOW, INSTANCE).decode()
    issued = tokens.issued_at(token, NOW + elapsed, INSTANCE)
    if remaining_seconds(tokens, token, NOW + elapsed, INSTANCE) is None:
        assert issued is None
    else:
        assert issued is not None
        assert NOW - 0.0011 <= issued <= NOW
    assert tokens.issued_at(token, NOW, b"i-other") is None
