"""Readers of single values."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.aemm import values

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.times() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("x", "x"), ("", ""), (42, "42"), (42.0, "42"), (1.5, "1.5"), (True, "1"), (False, "0"), (None, ""),
        (1e-7, "0.0000001"), (1e21, "1" + "0" * 21), (-0.0, "-0"), (float("inf"), "+Inf"), (b"caf\xc3\xa9", "café"),
        (date(2020, 1, 7), "2020-01-07"), (time(7, 32), "07:32:00"),
        (datetime(2020, 1, 7, 1, 3, 47, tzinfo=UTC), "2020-01-07T01:03:47Z"),
    ],
)  # fmt: skip
def test_text_accepts_single_values(raw: Any, text: str) -> None:
    assert values.text(raw) == text


@pytest.mark.parametrize(("raw", "kind"), [({}, "an object"), ({"a": 1}, "an object"), ([], "a list"), ([1], "a list")])
def test_text_rejects_objects_and_lists(raw: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=f"^expected text, got {kind}$"):
        values.text(raw)


def test_text_is_utf8() -> None:
    with pytest.raises(ValueError, match=r"^expected text in UTF-8, got other bytes$"):
        values.text("caf\udce9")


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("12", 12), ("-1", -1), ("+3", 3), ("0x10", 16), ("010", 10), (7, 7), (7.9, 7), (True, 1), (None, 0), ("", 0),
        ("9223372036854775807", 2**63 - 1),
    ],
)  # fmt: skip
def test_whole_numbers(raw: Any, number: int) -> None:
    assert values.integer(raw) == number


@pytest.mark.parametrize("raw", ["x", "1.5", "9223372036854775808", 2**63, float("nan"), float("inf"), [], {}, "1e2"])
def test_invalid_whole_numbers(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected a whole number, got "):
        values.integer(raw)


@pytest.mark.parametrize("raw", ["1", "t", "T", "true", "TRUE", "True", True, 1, 2.5])
def test_on(raw: Any) -> None:
    assert values.switch(raw) is True


@pytest.mark.parametrize("raw", ["0", "f", "F", "false", "FALSE", "False", "", False, 0, None])
def test_off(raw: Any) -> None:
    assert values.switch(raw) is False


@pytest.mark.parametrize("raw", ["yes", "on", "tRUE", [], {}])
def test_invalid_switches(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected true or false, got "):
        values.switch(raw)


@pytest.mark.parametrize("raw", ["80", 80, "0", 65535])
def test_ports(raw: Any) -> None:
    assert values.port(raw) == int(raw)


@pytest.mark.parametrize("raw", ["", "http", -1, 65536, "65536", []])
def test_invalid_ports(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected a port between 0 and 65535, got "):
        values.port(raw)


@pytest.mark.parametrize(
    ("raw", "epoch"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T05:00:00+05:00", 0.0),
        ("1969-12-31T19:00:01.5-05:00", 1.5),
        ("2020-01-07T01:03:47Z", 1578359027.0),
    ],
)
def test_times_keep_their_text(raw: str, epoch: float) -> None:
    assert values.rfc3339_time(raw) == raw
    assert values.epoch_seconds(raw) == epoch


def test_empty_times() -> None:
    assert values.rfc3339_time("") == ""
    assert values.rfc3339_time(None) == ""


@pytest.mark.parametrize(
    "raw",
    ["notatime", "2020-01-07", "2020-01-07T01:03:47", "2020-01-07 01:03:47Z", "2020-13-07T01:03:47Z", "1578359027", 5],
)
def test_invalid_times(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected an RFC 3339 time like 2026-01-31T12:00:00Z, got "):
        values.rfc3339_time(raw)


def test_a_choice_is_one_of_its_words() -> None:
    read = values.choice("stop", "terminate")
    assert read("stop") == "stop"
    wrong: list[Any] = ["", "STOP", None, 1, []]
    for raw in wrong:
        with pytest.raises(ValueError, match=r"^expected one of stop, terminate, got "):
            read(raw)


@pytest.mark.parametrize(("raw", "data"), [("", b""), ("AP8=", b"\0\xff"), ("AP\n8=\n", b"\0\xff")])
def test_base64(raw: str, data: bytes) -> None:
    assert values.decode_base64(values.base64_text(raw)) == data


@pytest.mark.parametrize("raw", ["AP8", "*", "é", {}])
def test_invalid_base64(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected (base64|text), got "):
        values.base64_text(raw)


@given(anything)
def test_any_value_is_read_or_rejected_in_one_line(raw: Any) -> None:
    readers = (values.text, values.optional_text, values.integer, values.switch, values.port, values.rfc3339_time,
               values.base64_text, values.choice("a", "b"))  # fmt: skip
    for read in readers:
        sentence = refusal(read, raw)
        assert sentence is None or (len(sentence.splitlines()) == 1 and len(sentence) < 200)


def refusal(read: values.Reader, raw: Any) -> str | None:
    try:
        read(raw)
    except ValueError as error:
        return str(error)
    return None
