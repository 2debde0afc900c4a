"""The mock's own time: moved over the API, by `ctl` and in the process, and followed by everything that is served."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock import Dependencies, Mock
from imds_mock.arguments import Parser
from imds_mock.commands import ctl as ctl_command
from imds_mock.credentials.requests import FetchedCredentials, FetchError
from imds_mock.events.scenario import read_scenario_text
from imds_mock.service.messages import Request
from support.callers import FakeNetwork
from support.mockcontrol import DrivenMock, driven_mock
from support.mockserver import STARTED, Clock, head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imds_mock.credentials.requests import CredentialRequest

HOUR = 3600.0
CREDENTIALS = "/latest/meta-data/iam/security-credentials/"
SPOT = "/latest/meta-data/spot/instance-action"
LOCAL = {"server": {"hosts": ["127.0.0.1"]}}


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path, {"instance": {"role": "web"}}) as running:
        yield running


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def role(mock: DrivenMock) -> dict[str, str]:
    answer = mock.get(f"{CREDENTIALS}web")
    assert answer.status == 200
    document: dict[str, str] = json.loads(answer.body)
    return document


def test_the_clock_is_shown_advanced_set_and_returned(mock: DrivenMock) -> None:
    real = {"time": "2023-11-14T22:13:20.000Z", "real_time": "2023-11-14T22:13:20.000Z"}
    assert mock.do("GET", "/v1/clock") == {**real, "offset_seconds": 0.0, "is_real": True}
    moved = mock.do("POST", "/v1/clock/advance", {"by": "6h"})
    assert moved == {**real, "time": "2023-11-15T04:13:20.000Z", "offset_seconds": 6 * HOUR, "is_real": False}
    assert mock.do("GET", "/v1/clock") == moved
    assert mock.do("POST", "/v1/clock/advance", {"by": 60})["offset_seconds"] == 6 * HOUR + 60
    assert mock.do("GET", "/v1/status")["clock_offset_seconds"] == 6 * HOUR + 60
    for text in ("2027-01-01T00:00:00Z", "2027-01-01", "2027-01-01T02:00:00+02:00", 1_798_761_600):
        assert mock.do("PUT", "/v1/clock", {"time": text})["time"] == "2027-01-01T00:00:00.000Z"
    mock.clock.now += 1.5
    assert mock.do("GET", "/v1/clock")["time"] == "2027-01-01T00:00:01.500Z", "it runs on"
    assert mock.do("DELETE", "/v1/clock")["is_real"]
    assert mock.do("GET", "/v1/status")["clock_offset_seconds"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("PUT", "/v1/clock", {"time": "2300-01-01"}, 422,
         "time: expected a time from 1970 to 2299 such as 2027-01-31T12:00:00Z, got '2300-01-01'"),
        ("PUT", "/v1/clock", {"time": -1}, 422,
         "time: expected a time from 1970 to 2299 such as 2027-01-31T12:00:00Z, got -1"),
        ("PUT", "/v1/clock", {"time": "6h"}, 422,
         "time: expected a time from 1970 to 2299 such as 2027-01-31T12:00:00Z, got '6h'"),
        ("PUT", "/v1/clock", {}, 422, "time: is missing; expected a time from 1970 to 2299"),
        ("POST", "/v1/clock/advance", {"by": "-1h"}, 422, "by: expected a duration such as 30s"),
        ("POST", "/v1/clock/advance", {"by": "1s", "to": "2027-01-01"}, 422, "to: unknown"),
    ],
)  # fmt: skip
def test_a_time_out_of_bounds_is_refused(
    mock: DrivenMock, method: str, path: str, body: Any, status: int, sentence: str
) -> None:
    reply = mock.call(method, path, body)
    assert reply.status == status
    assert reply.json["detail"].startswith(sentence), reply.json["detail"]
    assert mock.do("GET", "/v1/clock")["is_real"]


def test_the_clock_does_not_pass_the_year_2299(mock: DrivenMock) -> None:
    mock.do("PUT", "/v1/clock", {"time": "2299-12-31T23:59:00Z"})
    reply = mock.call("POST", "/v1/clock/advance", {"by": "1m"})
    assert (reply.status, reply.json["detail"]) == (
        409,
        "The clock would pass the year 2299: it shows 2299-12-31T23:59:00.000Z.",
    )
    assert mock.do("GET", "/v1/clock")["time"] == "2299-12-31T23:59:00.000Z"


def test_generated_credentials_rotate_and_dates_follow(mock: DrivenMock) -> None:
    before = role(mock)
    mock.do("POST", "/v1/clock/advance", {"by": "6h"})
    after, now = role(mock), STARTED + 6 * HOUR
    assert after["AccessKeyId"] != before["AccessKeyId"]
    assert now - HOUR * 1.1 < seconds(after["LastUpdated"]) <= now < seconds(after["Expiration"])
    assert 6 * HOUR + 19 * 60 <= seconds(after["Expiration"]) - seconds(after["LastUpdated"]) <= 6 * HOUR + 26 * 60
    answer = mock.get(f"{CREDENTIALS}web")
    assert parsedate_to_datetime(answer["Date"]).timestamp() == now
    mock.do("DELETE", "/v1/clock")
    assert role(mock) == before, "generated credentials depend on nothing but the time"


def test_a_token_lapses(mock: DrivenMock) -> None:
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = mock.ask(head("PUT", "/latest/api/token", **ttl)).body.decode()
    path, with_token = "/latest/meta-data/instance-id", {"X_aws_ec2_metadata_token": token}
    mock.do("POST", "/v1/clock/advance", {"by": "59s"})
    assert mock.get(path, **with_token).status == 200
    mock.do("POST", "/v1/clock/advance", {"by": "2s"})
    assert mock.get(path, **with_token).status == 401
    later = mock.ask(head("PUT", "/latest/api/token", **ttl)).body.decode()
    mock.do("DELETE", "/v1/clock")
    answer = mock.get(path, X_aws_ec2_metadata_token=later)
    assert (answer.status, answer["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"]) == (200, "60"), "a token from the future"


def test_events_faults_and_scenarios_become_due_and_end(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot", "in": "10m", "for": "1h"})
    mock.do("POST", "/v1/faults", {"kind": "status", "status": 503, "path": "*/ami-id", "in": "20m", "for": "10m"})
    steps = [{"at": "15m", "event": {"kind": "rebalance"}}]
    mock.do("POST", "/v1/scenarios", {"steps": steps})
    rebalance = "/latest/meta-data/events/recommendations/rebalance"

    def statuses() -> list[int]:
        return [mock.get(path).status for path in (SPOT, rebalance, "/latest/meta-data/ami-id")]

    assert statuses() == [404, 404, 200]
    mock.do("POST", "/v1/clock/advance", {"by": "10m"})
    assert statuses() == [200, 404, 200]
    action = json.loads(mock.get(SPOT).body)
    assert action["time"] == iso(STARTED + 12 * 60), "two minutes after the notice, on the mock's clock"
    mock.do("POST", "/v1/clock/advance", {"by": "5m"})
    assert statuses() == [200, 200, 200]
    mock.do("POST", "/v1/clock/advance", {"by": "5m"})
    assert statuses() == [200, 200, 503]
    mock.do("POST", "/v1/clock/advance", {"by": "1h"})
    assert statuses() == [404, 200, 200]
    assert [each["state"] for each in mock.do("GET", "/v1/events")] == ["ended", "active"]
    armed = mock.do("POST", "/v1/events", {"kind": "rebalance", "in": "2m"})
    assert armed["starts"] == "2023-11-14T23:35:20.000Z", "`in` counts from the mock's time"


def test_set_back_an_event_that_had_ended_is_served_again_at_once(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot", "in": "10m", "for": "1m"})
    canceled = mock.do("POST", "/v1/events", {"kind": "rebalance", "in": "10m"})["id"]
    mock.do("POST", "/v1/clock/advance", {"by": "1h"})
    mock.do("POST", f"/v1/events/{canceled}/cancel")
    assert mock.get(SPOT).status == 404
    mock.do("PUT", "/v1/clock", {"time": STARTED + 630})
    assert mock.get(SPOT).status == 200
    assert mock.get("/latest/meta-data/events/recommendations/rebalance").status == 404, "canceled events stay canceled"


def test_credentials_expire_early_on_the_mocks_clock(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/clock/advance", {"by": "30m"})
    mock.do("POST", "/v1/events", {"kind": "credentials-expiry", "after": "5m"})
    first = role(mock)
    assert first["Expiration"] == iso(STARTED + 35 * 60)
    mock.do("POST", "/v1/clock/advance", {"by": "5m"})
    assert role(mock)["AccessKeyId"] != first["AccessKeyId"]


def test_a_reset_returns_to_real_time(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/clock/advance", {"by": "6h"})
    mock.do("POST", "/v1/reset")
    assert mock.do("GET", "/v1/clock")["is_real"]


def test_the_journal_has_both_times_and_is_asked_by_real_time(mock: DrivenMock) -> None:
    mock.get("/latest/meta-data/instance-id")
    mock.clock.now += 60
    mock.do("POST", "/v1/clock/advance", {"by": "6h"})
    mock.get("/latest/meta-data/ami-id")
    mock.clock.now += 60
    first, second = mock.do("GET", "/v1/requests")
    assert first["time"] == first["real_time"] == "2023-11-14T22:13:20.000Z"
    assert (second["time"], second["real_time"]) == ("2023-11-15T04:14:20.000Z", "2023-11-14T22:14:20.000Z")

    def asked(**query: str) -> list[str]:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return [each["path"].rpartition("/")[2] for each in mock.do("GET", f"/v1/requests?{text}")]

    assert asked(since="90s") == ["ami-id"]
    assert asked(until="90s") == ["instance-id"]
    assert asked(since="2023-11-14T22:14:00Z") == ["ami-id"]
    assert mock.do("GET", "/v1/requests/count?since=90s")["count"] == 1
    assert mock.do("GET", "/v1/requests/count") | {"first": "", "last": ""} == mock.do(
        "GET", "/v1/requests/count?since=150s"
    ) | {"first": "", "last": ""}
    (called,) = mock.do("GET", "/v1/requests/imdsv1?since=90s")
    assert (called["times"], called["last"], called["real_last"]) == (
        1,
        "2023-11-15T04:14:20.000Z",
        "2023-11-14T22:14:20.000Z",
    )
    mock.do("PUT", "/v1/clock", {"time": "2000-01-01"})
    mock.get("/latest/meta-data/hostname")
    assert asked(since="30s") == ["hostname"], "also after the clock was set back"


def test_a_request_that_a_fault_delays_across_a_move_has_the_times_of_its_arrival(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/faults", {"kind": "delay", "delay": "500ms", "path": "*/ami-id"})
    asking = threading.Thread(target=mock.get, args=("/latest/meta-data/ami-id",))
    asking.start()
    while not mock.do("GET", "/v1/faults")[0]["hits"]:
        pass
    mock.run(lambda: mock.mock.clock.advance(hours=6))
    asking.join()
    (entry,) = mock.do("GET", "/v1/requests")
    assert entry["time"] == entry["real_time"] == "2023-11-14T22:13:20.000Z"


def test_ctl_moves_the_clock_and_shows_both_times(mock: DrivenMock, capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="imds-mock ctl")
    ctl_command.add_arguments(parser)

    def ctl(*words: str) -> str:
        assert ctl_command.run(parser.parse_args([*words, "--url", f"unix:{mock.socket_path}"])) == 0
        return capsys.readouterr().out

    assert "is_real         yes" in ctl("clock")
    mock.get("/latest/meta-data/instance-id")
    assert "real " not in ctl("requests").partition("\n")[2]
    assert "2023-11-15T04:13:20.000Z" in ctl("clock", "advance", "6h")
    mock.get(SPOT)
    assert "2023-11-15T04:13:20.000Z (real 2023-11-14T22:13:20.000Z)" in ctl("requests")
    assert json.loads(ctl("clock", "set", "2027-01-01", "--json"))["time"] == "2027-01-01T00:00:00.000Z"
    assert json.loads(ctl("clock", "real", "--json"))["is_real"]


class FakeFetcher:
    """Fetches credentials that are valid for an hour of real time; each has another key."""

    def __init__(self, real: Clock) -> None:
        self.real = real
        self.fetched = 0

    async def fetch(self, _request: CredentialRequest) -> FetchedCredentials:
        self.fetched += 1
        return FetchedCredentials(f"ASIA{self.fetched}", "planted-secret", "token", self.real() + HOUR)

    async def close(self) -> None:
        pass


def test_fetched_credentials_are_renewed_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = FakeFetcher(Clock())
    monkeypatch.setattr("imds_mock.credentials.fetching.Fetcher", lambda: fetcher)
    with driven_mock(tmp_path, {"credentials": {"source": "assume-role"}, "instance": {"role": "web"}}) as mock:
        assert (role(mock)["AccessKeyId"], fetcher.fetched) == ("ASIA1", 1)
        mock.do("POST", "/v1/clock/advance", {"by": "5m"})
        assert fetcher.fetched == 1, "the next ones are not due"
        mock.do("POST", "/v1/clock/advance", {"by": "6h"})
        after = role(mock)
        assert after["AccessKeyId"] == "ASIA2"
        now = STARTED + 6 * HOUR + 300
        assert (seconds(after["LastUpdated"]), seconds(after["Expiration"])) == (now, now + HOUR)
        mock.do("DELETE", "/v1/clock")
        after = role(mock)
        assert after["AccessKeyId"] == "ASIA3", "the old ones are from the future"
        assert (seconds(after["LastUpdated"]), seconds(after["Expiration"])) == (STARTED, STARTED + HOUR)
        mock.clock.now += 1
        mock.do("POST", "/v1/events", {"kind": "credentials-rotation"})
        assert role(mock)["AccessKeyId"] == "ASIA4", "requested renewals work after the clock was set back"


def test_two_mocks_have_separate_clocks() -> None:
    async def scenario() -> None:
        real = Clock()
        uses = Dependencies(clock=real)
        async with Mock(LOCAL, port=0, dependencies=uses) as one, Mock(LOCAL, port=0, dependencies=uses) as other:
            one.clock.advance(hours=6)
            assert (one.clock(), other.clock()) == (STARTED + 6 * HOUR, STARTED)
            assert (one.state.clock(), other.state.clock()) == (STARTED + 6 * HOUR, STARTED)

    asyncio.run(scenario())


def agent(mock: DrivenMock, path: str, host: str, **headers: str) -> dict[str, str]:
    answer = mock.ask(head("GET", path, Connection="close", **headers).replace("169.254.169.254", host))
    assert answer.status == 200, answer
    document: dict[str, str] = json.loads(answer.body)
    return document


@pytest.mark.parametrize(
    ("path", "host", "headers"),
    [("/v2/credentials/any", "169.254.170.2", {}), ("/v1/credentials", "169.254.170.23", {"Authorization": "a-token"})],
    ids=["ecs", "eks"],
)
def test_the_agents_credentials_rotate(mock: DrivenMock, path: str, host: str, headers: dict[str, str]) -> None:
    before = agent(mock, path, host, **headers)
    assert agent(mock, path, host, **headers) == before
    mock.do("POST", "/v1/clock/advance", {"by": "6h"})
    after = agent(mock, path, host, **headers)
    assert after["AccessKeyId"] != before["AccessKeyId"]
    assert seconds(after["Expiration"]) > STARTED + 6 * HOUR


def test_the_events_of_the_drop_in_become_due() -> None:
    document = {"compatibility": "aemm", "aemm": {"mock-delay-sec": 600}}
    mock = Mock(document, dependencies=Dependencies(clock=Clock()))
    asked = Request("GET", SPOT, SPOT)
    assert mock.respond(asked, "127.0.0.1", mock.clock()).status == 404
    mock.clock.advance(minutes=10)
    assert mock.respond(asked, "127.0.0.1", mock.clock()).status == 200


def test_a_credential_source_that_fails_is_tried_again_and_the_call_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = FakeFetcher(Clock())
    monkeypatch.setattr("imds_mock.credentials.fetching.Fetcher", lambda: fetcher)
    with driven_mock(tmp_path, {"credentials": {"source": "assume-role"}, "instance": {"role": "web"}}) as mock:
        role(mock)

        async def fail(_request: CredentialRequest) -> FetchedCredentials:
            raise FetchError("unreachable", "http://sts cannot be reached")

        monkeypatch.setattr(fetcher, "fetch", fail)
        for _ in range(2):
            reply = mock.call("POST", "/v1/clock/advance", {"by": "6h"})
            assert reply.status == 200
            assert reply.headers["imds-mock-note"].endswith(" are unchanged: http://sts cannot be reached")
        monkeypatch.undo()
        mock.do("POST", "/v1/clock/advance", {"by": "1m"})
        assert role(mock)["AccessKeyId"] == "ASIA2"


def test_a_role_that_is_idle_by_the_mocks_time_is_fetched_on_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = FakeFetcher(Clock())
    monkeypatch.setattr("imds_mock.credentials.fetching.Fetcher", lambda: fetcher)
    monkeypatch.setattr("imds_mock.run.credential_manager._RENEWAL_SECONDS", 60.0)
    document = {"credentials": {"source": "assume-role"}, "instance": {"role": "web"}, "ecs": {"any_role": True}}
    path = "/role-arn/arn:aws:iam::123456789012:role/other"
    asked = head("GET", path, Connection="close").replace("169.254.169.254", "169.254.170.2")
    with driven_mock(tmp_path, document) as mock:

        def key() -> str:
            while (answer := mock.ask(asked)).status == 503:
                pass  # the first fetch is in progress
            return str(json.loads(answer.body)["AccessKeyId"])

        before = key()
        began = time.monotonic()
        mock.do("POST", "/v1/clock/advance", {"by": "6h"})
        assert time.monotonic() - began < 30, "the call does not wait for a role that no container uses"
        assert key() != before


def test_a_late_step_of_a_scenario_reports_its_target_once_the_clock_has_reached_it() -> None:
    async def scenario() -> None:
        said: asyncio.Queue[str] = asyncio.Queue()
        late = read_scenario_text("steps: [{at: 5h, event: {kind: rebalance, target: ghost}}]", "a test")
        uses = Dependencies(clock=Clock(), log=said.put_nowait, callers=FakeNetwork().registry())
        async with Mock(LOCAL, port=0, scenario=late, dependencies=uses) as mock:
            mock.clock.advance(hours=5)
            while not (await said.get()).startswith("scenario: 'ghost' matches no caller"):
                pass

    asyncio.run(asyncio.wait_for(scenario(), 60))
