"""What `imds-mock ctl` prints about armed events and faults, with a control plane of prepared responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.arguments import SingleParser
from imds_mock.commands import ctl
from imds_mock.ctl.client import Client, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class PreparedClient(Client):
    """Returns one response after the other; an exception is raised."""

    def __init__(self, *responses: Any) -> None:
        super().__init__("unix:/none")
        self.responses = list(responses)
        self.calls: list[tuple[str, str, Any]] = []

    def call(self, method: str, path: str, body: Any = None, *_other: Any, **_others: Any) -> Any:
        """Record the call and give the next response."""
        self.calls.append((method, path, body))
        response = self.responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return response


def run(client: Client, *words: str) -> None:
    parser = SingleParser(prog="imds-mock ctl")
    ctl.add_arguments(parser)
    arguments = parser.parse_args(words)
    assert arguments.action_of(client, arguments) == 0


def armed(what: str, fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    shown = {
        "id": f"{fields['kind']}-1",
        "kind": fields["kind"],
        "state": "active",
        "starts": "2026-01-31T12:00:00.000Z",
        "ends": None,
        "target": None,
        "addresses": [],
        "callers": None,
        "warning": None,
        what: fields,
    }
    return {**shown, **({"hits": 0} if what == "fault" else {}), **changes}


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_table_hides_the_fields_that_have_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    spot = {"kind": "spot", "in": "1s", "for": "2m", "target": "app", "action": "stop"}
    events = [armed("event", spot, target="app", callers=2), armed("event", {"kind": "rebalance"})]
    run(PreparedClient(events), "events")
    assert rows(capsys.readouterr().out) == [
        ["ID", "STATE", "STARTS", "ENDS", "TARGET", "CALLERS", "DETAILS"],
        ["spot-1", "active", "2026-01-31T12:00:00.000Z", "-", "app", "2", "action=stop"],
        ["rebalance-1", "active", "2026-01-31T12:00:00.000Z", "-", "-", "all", "-"],
    ]


def test_a_table_of_faults_shows_which_requests_they_affect(capsys: pytest.CaptureFixture[str]) -> None:
    fault = armed("fault", {"kind": "status", "status": 500, "path": "*/iam/*", "count": 3}, hits=1)
    run(PreparedClient([fault]), "fault", "list")
    assert rows(capsys.readouterr().out)[1] == [
        *("status-1", "active", "1", "*/iam/*", "-", "3", "-", "all", "-", "status=500"),
    ]


def test_each_warning_is_printed_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("steps: [{event: {kind: spot}}]")
    ended = armed("event", {"kind": "spot"}, state="ended", ends="2026-01-31T12:01:00.000Z")
    unmatched = armed("fault", {"kind": "reset"}, target="ap", callers=0, warning="'ap' matches no caller")
    run(PreparedClient({"events": [ended], "faults": [unmatched, unmatched]}), "play", str(scenario))
    assert capsys.readouterr().err.splitlines() == [
        "imds-mock ctl: spot-1 ended at 2026-01-31T12:01:00.000Z, so it has no effect; give a later start or end",
        "imds-mock ctl: 'ap' matches no caller",
    ]


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        (["events", "show", "a", "b"], [("GET", "/v1/events/a"), ("GET", "/v1/events/b")]),
        (["events", "cancel", "a"], [("POST", "/v1/events/a/cancel")]),
        (["events", "remove", "a/b"], [("DELETE", "/v1/events/a%2Fb")]),
        (["fault", "remove", "a", "b"], [("DELETE", "/v1/faults/a"), ("DELETE", "/v1/faults/b")]),
        (["events", "clear"], [("DELETE", "/v1/events")]),
        (["fault", "clear"], [("DELETE", "/v1/faults")]),
        (["events", "rearm", "a", "--in", "5s"], [("POST", "/v1/events/a/rearm")]),
    ],
)
def test_a_command_calls_one_operation_for_each_id(words: Sequence[str], calls: list[tuple[str, str]]) -> None:
    client = PreparedClient(*[armed("event", {"kind": "spot"})] * len(calls))
    run(client, *words)
    assert [call[:2] for call in client.calls] == calls


def test_changes_before_a_refusal_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RefusedError):
        run(PreparedClient(armed("event", {"kind": "spot"}), RefusedError("no", 404)), "events", "end", "spot-1", "x")
    assert rows(capsys.readouterr().out)[1][:2] == ["spot-1", "active"]


def test_a_group_of_commands_has_a_text_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in (
        (["credentials"], "Rotate or expire role credentials early."),
        (["spot"], "Send a spot interruption notice."),
    ):
        with pytest.raises(SystemExit):
            run(PreparedClient(), *words, "--help")
        assert f"\n{text}\n" in capsys.readouterr().out
