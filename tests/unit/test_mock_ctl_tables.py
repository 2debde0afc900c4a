"""How tables of `imds-mock ctl` fit a terminal, which output has color, and what never reaches the terminal raw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from imds_mock.ctl.columns import Column, brief_caller, status_style, version_style
from imds_mock.ctl.fitting import fit, shortened
from imds_mock.ctl.output import cell, json_text, printable, printable_lines
from imds_mock.ctl.schedule import details_of, when_of
from imds_mock.ctl.terminal import has_color
from imds_mock.ctl.times import ago, countdown, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = seconds("2026-01-31T12:00:00Z")
PATH = "/latest/meta-data/iam/security-credentials/my-role"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        (PATH, 60, PATH),
        (PATH, len(PATH), PATH),
        (PATH, 40, "/latest/meta-…curity-credentials/my-role"),
        (PATH, 24, "/latest/meta-da…/my-role"),
        ("abcdefghij", 5, "ab…ij"),
        ("漢字漢字漢字", 7, "漢…漢字"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_a_text_is_shortened_in_the_middle(text: str, width: int, shown: str) -> None:
    assert shortened(text, width) == shown
    assert cell_len(shown) <= max(width, 0)


def test_a_table_that_fits_is_not_changed() -> None:
    rows = [{"a": "x", "b": PATH, "c": None}]
    fitted = fit((Column("a"), Column("b", minimum=10), Column("c", is_optional=True)), rows, 80)
    assert [column.name for column in fitted.columns] == ["a", "b"]
    assert (fitted.widths, fitted.hidden, fitted.is_brief) == ([1, len(PATH)], [], False)


COLUMNS = (Column("who", minimum=10, brief=brief_caller), Column("path", minimum=20), Column("us", "US", rank=1))


@pytest.mark.parametrize(
    ("width", "widths", "hidden", "is_brief"),
    [
        (82, [24, 50, 4], [], False),
        (80, [10, 50, 4], [], True),
        (60, [10, 42, 4], [], True),
        (38, [10, 20, 4], [], True),
        (37, [10, 25], ["US"], True),
        (18, [8, 8], ["US"], True),
        (None, [24, 50, 4], [], False),
    ],
)
def test_a_wide_table_is_fitted(width: int | None, widths: list[int], hidden: list[str], *, is_brief: bool) -> None:
    rows = [{"who": "172.18.0.30 (shop-web-1)", "path": PATH, "us": 1234}]
    fitted = fit(COLUMNS, rows, width)
    assert (fitted.widths, fitted.hidden, fitted.is_brief) == (widths, hidden, is_brief)
    assert fitted.text(0, rows[0]["who"]).endswith("1" if is_brief else "1)")


@pytest.mark.parametrize(
    ("choice", "environ", "is_terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False, False),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_color_follows_the_usual_variables(
    choice: str, environ: Mapping[str, str], *, is_terminal: bool, expected: bool
) -> None:
    assert has_color(choice, environ, is_terminal=is_terminal) is expected


def test_what_matters_stands_out() -> None:
    assert [status_style(code) for code in (200, 404, 503, 0)] == ["", "red", "bold red", "bold red"]
    assert [version_style(version) for version in ("v1", "v2", "ecs")] == ["bold magenta", "", ""]


@pytest.mark.parametrize("code", [*range(32), *range(0x7F, 0xA0), 0x200B, 0x200E, 0x2028, 0x202E, 0x2066, 0xFEFF])
def test_no_character_reaches_the_terminal_that_it_would_obey(code: int) -> None:
    raw = f"a{chr(code)}b"
    for shown in (printable(raw), cell(raw), cell([raw]), cell({raw: raw}), json_text(raw)):
        assert chr(code) not in shown
    if chr(code) not in "\n\t":
        assert chr(code) not in printable_lines(raw)
    assert json.loads(json_text({raw: raw}, indent=2)) == {raw: raw}


@pytest.mark.parametrize(
    ("instant", "said"),
    [
        ("2026-01-31T11:59:48.500Z", "11s ago"),
        ("2026-01-31T12:00:00Z", "0s ago"),
        ("2026-01-31T12:00:00.400Z", "0s ago"),
        ("2026-01-31T11:58:30Z", "1m ago"),
        ("2026-01-31T10:00:00Z", "2h ago"),
        ("2026-01-29T10:00:00Z", "2d ago"),
        ("2026-01-31T12:00:05Z", "in 5s"),
    ],
)
def test_a_time_is_told_from_now(instant: str, said: str) -> None:
    assert ago(instant, NOON) == said


def test_a_countdown_has_two_units() -> None:
    told = {0.0: "0s", 59.9: "59s", 60: "1m", 108: "1m 48s", 7200: "2h", 7265: "2h 1m", 604799: "6d 23h", -3: "0s"}
    assert {left: countdown(left) for left in told} == told


@pytest.mark.parametrize(
    ("event", "state", "ends", "said"),
    [
        ({"kind": "spot"}, "active", None, "terminate in 1m 50s"),
        ({"kind": "spot", "action": "stop", "notice": "30s"}, "active", None, "stop in 20s"),
        ({"kind": "spot", "time": "2026-01-31T12:00:05Z"}, "active", None, "terminate in 5s"),
        ({"kind": "spot", "action": "hibernate"}, "active", "2026-01-31T12:01:00Z", "ends in 1m"),
        ({"kind": "maintenance"}, "active", None, "maintenance in 6d 23h"),
        ({"kind": "credentials-expiry", "after": "5m"}, "active", None, "expiry in 4m 50s"),
        ({"kind": "rebalance"}, "active", None, "started 10s ago"),
        ({"kind": "rebalance"}, "canceled", "2026-01-31T11:59:57Z", "canceled 3s ago"),
    ],
)
def test_the_next_time_of_an_event_is_counted_down(
    event: dict[str, Any], state: str, ends: str | None, said: str
) -> None:
    shown = {"kind": event["kind"], "state": state, "starts": "2026-01-31T11:59:50Z", "ends": ends, "event": event}
    assert when_of(shown, "event", NOON) == said
    assert when_of({**shown, "starts": "2026-01-31T12:00:28Z"}, "event", NOON) == "starts in 28s"


def test_the_details_have_the_code_of_a_maintenance_event() -> None:
    assert details_of({"kind": "maintenance"}, ()) == {"code": "system-reboot"}
    assert details_of({"kind": "maintenance", "code": "instance-stop"}, ()) == {"code": "instance-stop"}
    assert details_of({"kind": "spot", "in": "5s", "target": "web"}, ("target",)) is None
    assert details_of({"kind": "of-a-later-version", "field": 1}, ()) == {"field": 1}
