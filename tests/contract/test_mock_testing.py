"""The mocks for tests: what a test can change, wait for and assert, how they fail, and what they leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from imds_mock.errors import MockError
from imds_mock.testing import AsyncImdsMock, ConfigError, ImdsMock, MockCrashedError

if TYPE_CHECKING:
    from collections.abc import Iterator


def get(mock: ImdsMock | AsyncImdsMock, path: str, **headers: str) -> tuple[int, str]:
    where = urlsplit(mock.endpoint_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        connection.request("GET", f"/latest/{path}", headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "imds-mock"]


@pytest.fixture(scope="module")
def shared() -> Iterator[ImdsMock]:
    with ImdsMock(region="eu-west-1") as running:
        yield running


@pytest.fixture
def mock(shared: ImdsMock) -> ImdsMock:
    shared.reset()
    return shared


def test_it_serves_what_the_constructor_is_given(mock: ImdsMock) -> None:
    assert get(mock, "meta-data/placement/region") == (200, "eu-west-1")
    assert mock.endpoint_url.startswith("http://127.0.0.1:")
    where = urlsplit(mock.control_url)
    with contextlib.closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)) as control:
        control.request("GET", "/v1/config/instance/region")
        assert json.load(control.getresponse()) == {"value": "eu-west-1"}


def test_settings_change_together_or_not_at_all(mock: ImdsMock) -> None:
    mock.configure(region="eu-west-2", instance_type="c5.large", role="app", http_tokens="required")
    assert (mock.region, mock.config.instance.instance_type, mock.config.instance.role) == (
        *("eu-west-2", "c5.large", "app"),
    )
    assert get(mock, "meta-data/instance-type")[0] == 401
    with pytest.raises(ConfigError, match=r"instance_typ='m5.large'; did you mean instance_type\?"):
        mock.configure(region="eu-west-3", instance_typ="m5.large")
    assert mock.region == "eu-west-2"


def test_reset_restores_the_start(mock: ImdsMock) -> None:
    mock.configure(region="eu-west-2")
    mock.metadata["meta-data/own"] = "x"
    mock.clock.advance(days=2)
    interruption = mock.spot.interrupt()
    mock.faults.status(503)
    get(mock, "meta-data/spot/instance-action")
    mock.reset()
    assert (mock.region, interruption.state) == ("eu-west-1", "removed")
    assert abs(mock.clock.now - datetime.now(UTC)) < timedelta(seconds=5)
    assert mock.requests == ()
    assert get(mock, "meta-data/own")[0] == 404


def test_metadata_is_a_mapping(mock: ImdsMock) -> None:
    mock.metadata["meta-data/own/greeting"] = "hello"
    assert get(mock, "meta-data/own/greeting") == (200, "hello")
    assert mock.metadata["/latest/meta-data/own/greeting"] == "hello"
    assert "meta-data/own/greeting" in set(mock.metadata)
    assert len(mock.metadata) > 20
    del mock.metadata["meta-data/own"]
    assert mock.metadata.get("meta-data/own/greeting") is None
    mock.metadata["user-data"] = {"$base64": "/w=="}
    assert mock.metadata["user-data"] == b"\xff"


@pytest.mark.parametrize("wrong", ["meta-data/instance-idd", "meta-data/placement"])
def test_metadata_that_is_no_leaf_is_a_key_error(mock: ImdsMock, wrong: str) -> None:
    with pytest.raises(KeyError, match="no metadata at"):
        _ = mock.metadata[wrong]


def test_metadata_refuses_to_remove_nothing_and_to_set_none(mock: ImdsMock) -> None:
    with pytest.raises(KeyError, match="did you mean meta-data/instance-id"):
        del mock.metadata["meta-data/instance-idd"]
    with pytest.raises(ValueError, match="to remove the path, use `del`"):
        mock.metadata["meta-data/instance-id"] = None


def test_an_event_is_seen_and_removed(mock: ImdsMock) -> None:
    with mock.spot.interrupt("stop") as interruption:
        assert (interruption.state, interruption.seen) == ("active", ())
        assert json.loads(get(mock, "meta-data/spot/instance-action")[1])["action"] == "stop"
        assert interruption.wait_until_seen(timeout=30).path.endswith("/instance-action")
        assert len(interruption.seen) == 1
    assert interruption.state == "removed"
    assert get(mock, "meta-data/spot/instance-action")[0] == 404


def test_an_event_comes_due_by_the_mocks_time(mock: ImdsMock) -> None:
    interruption = mock.spot.interrupt(in_seconds=3600)
    assert get(mock, "meta-data/spot/instance-action")[0] == 404
    mock.clock.advance(hours=1)
    assert interruption.state == "active"
    assert get(mock, "meta-data/spot/instance-action")[0] == 200
    assert [each.status for each in interruption.seen] == [200]


def test_waiting_in_another_thread_ends_with_the_request(mock: ImdsMock) -> None:
    recommendation = mock.spot.rebalance()
    timer = threading.Timer(0.05, get, (mock, "meta-data/events/recommendations/rebalance"))
    timer.start()
    assert recommendation.wait_until_seen(timeout=30).status == 200
    timer.join()


def test_an_event_that_no_client_reads_fails_with_the_requests(mock: ImdsMock) -> None:
    interruption = mock.spot.interrupt()
    get(mock, "meta-data/instance-id")
    with pytest.raises(AssertionError, match=r"(?s)no client has seen spot-\d+ within 0.01 s.*GET /latest/meta-data"):
        interruption.wait_until_seen(timeout=0.01)


def test_events_end_and_are_canceled(mock: ImdsMock) -> None:
    ended, canceled = mock.maintenance("instance-stop", not_before="1h"), mock.add("maintenance", code="system-reboot")
    ended.end()
    canceled.cancel()
    assert (ended.state, canceled.state) == ("ended", "canceled")
    history = json.loads(str(mock.metadata["meta-data/events/maintenance/history"]))
    assert sorted(each["State"] for each in history) == ["canceled", "completed"]


def test_lifecycle_and_credentials_and_the_endpoint(mock: ImdsMock) -> None:
    mock.lifecycle("Terminated")
    assert mock.metadata["meta-data/autoscaling/target-lifecycle-state"] == "Terminated"
    role = "meta-data/iam/security-credentials/my-role"
    before = json.loads(str(mock.metadata[role]))
    mock.credentials.rotate()
    assert json.loads(str(mock.metadata[role]))["AccessKeyId"] != before["AccessKeyId"]
    expired = mock.credentials.expire(renew=False)
    assert json.loads(get(mock, role)[1])["Expiration"] < before["Expiration"]
    assert expired.wait_until_seen(timeout=30).path == f"/latest/{role}"
    with mock.endpoint.off() as off:
        assert get(mock, "meta-data/")[0] == 403
        assert off.wait_until_seen(timeout=30).status == 403
    assert get(mock, "meta-data/")[0] == 200


def test_faults_hit_and_are_spent(mock: ImdsMock) -> None:
    with mock.faults.add("status", status=503, count=1) as fault:
        assert get(mock, "meta-data/")[0] == 503
        assert get(mock, "meta-data/")[0] == 200
        assert (fault.hits, fault.state) == (1, "spent")
        assert fault.wait_until_seen(timeout=30).faults == (fault.id,)
    assert (fault.hits, fault.state) == (0, "removed")


def test_time_is_set_and_real_again(mock: ImdsMock) -> None:
    mock.clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    assert mock.clock.now.year == 2030
    mock.clock.advance(timedelta(days=365), days=1)
    assert mock.clock.now.year == 2031
    mock.clock.real()
    assert abs(mock.clock.now - datetime.now(UTC)) < timedelta(seconds=5)
    with pytest.raises(ValueError, match="has no time zone"):
        mock.clock.set(datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point


def test_requests_are_asserted(mock: ImdsMock) -> None:
    get(mock, "meta-data/instance-id")
    (request,) = mock.assert_requested("meta-data/instance-id", by="127.0.0.1")
    assert (request.version, request.status, request.caller) == ("v1", 200, "127.0.0.1")
    assert mock.requests.filter(status=200) == (request,)
    with pytest.raises(AssertionError, match="expected at least 2 requests for meta-data/instance-id, got 1"):
        mock.assert_requested("meta-data/instance-id", at_least=2)
    with pytest.raises(AssertionError, match=r"by 10\.0\.0\.1 within 0.01 s, got 0"):
        mock.assert_requested("meta-data/*", by="10.0.0.1", within=0.01)
    with pytest.raises(AssertionError, match=r"(?s)no request for dynamic/\* within 0.01 s.*v1 "):
        mock.wait_until_requested("dynamic/*", timeout=0.01)
    assert mock.wait_until_requested("meta-data/*") == request


def test_requests_are_filtered_by_the_real_time(mock: ImdsMock) -> None:
    get(mock, "meta-data/instance-id")
    between = datetime.now(UTC)
    mock.clock.advance(hours=1)
    get(mock, "meta-data/ami-id")
    (request,) = mock.requests.filter(since=between)
    assert request.path == "/latest/meta-data/ami-id"
    assert abs(request.time - request.real_time - timedelta(hours=1)) < timedelta(seconds=1)


def test_imdsv1_requests_fail_an_assertion(mock: ImdsMock) -> None:
    mock.assert_no_imdsv1()
    get(mock, "meta-data/instance-id")
    mock.assert_no_imdsv1(by="10.0.0.1")
    with pytest.raises(AssertionError, match=r"(?s)expected no IMDSv1 request, got 1 IMDSv1 request.*instance-id"):
        mock.assert_no_imdsv1()


def test_clients_find_it_through_the_environment(mock: ImdsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("AWS_PROFILE", "other")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    for name, value in mock.environment().items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    session = boto3.Session()
    credentials = session.get_credentials()
    assert credentials is not None
    assert (session.region_name, credentials.method) == ("eu-west-1", "iam-role")
    mock.assert_no_imdsv1()


@pytest.mark.parametrize("service", ["ecs", "eks"])
def test_clients_in_a_container_ask_its_agent(mock: ImdsMock, monkeypatch: pytest.MonkeyPatch, service: Any) -> None:
    import boto3

    for name, value in mock.container_credentials_environment(service).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    assert credentials.get_frozen_credentials().access_key.startswith("ASIA")
    assert credentials.method == "container-role"
    assert {each.version for each in mock.requests} == {service}


def test_an_unknown_container_service_is_refused(mock: ImdsMock) -> None:
    wrong: Any = "lambda"
    with pytest.raises(ValueError, match="unknown service 'lambda'; expected ecs or eks"):
        mock.container_credentials_environment(wrong)


def test_the_asynchronous_mock_runs_on_the_callers_loop() -> None:
    before = threads()

    async def main() -> None:
        async with AsyncImdsMock(region="eu-west-1") as mock:
            interruption = mock.spot.interrupt()
            reading = asyncio.create_task(asyncio.to_thread(get, mock, "meta-data/spot/instance-action"))
            assert (await interruption).status == 200
            await reading
            async with mock.faults.status(503) as fault:
                assert (await asyncio.to_thread(get, mock, "meta-data/"))[0] == 503
                await fault.wait_until_seen(timeout=30)
            assert fault.state == "removed"
            await mock.assert_requested("meta-data/spot/*", within=30)
            assert (await mock.wait_until_requested("meta-data/spot/*")).version == "v1"
            with pytest.raises(AssertionError):
                mock.assert_no_imdsv1()
            mock.configure(region="eu-west-2")
            assert (mock.region, len(mock.requests)) == ("eu-west-2", 2)
            mock.reset()
            assert (mock.region, len(mock.requests)) == ("eu-west-1", 0)
            assert threads() == before

    asyncio.run(main())


def test_a_crash_reaches_the_next_call_with_its_traceback() -> None:
    async def crash() -> None:
        raise ZeroDivisionError("in the mock")

    before = threads()
    mock = ImdsMock().__enter__()
    mock._thread.call(lambda: mock._mock._companions.start("a part", crash()))
    mock._thread._thread.join(60)
    assert threads() == before
    with pytest.raises(MockCrashedError, match="the mock has failed: CompanionError: a part failed") as raised:
        mock.reset()
    mock.close()
    causes = []
    cause: BaseException | None = raised.value
    while cause is not None:
        causes.append(type(cause))
        cause = cause.__cause__
    assert causes[-1] is ZeroDivisionError


def test_an_exception_in_a_callback_fails_the_next_call(mock: ImdsMock) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in a callback")

    mock._thread.call(lambda: asyncio.get_running_loop().call_soon(fail))
    with pytest.raises(MockCrashedError, match="ZeroDivisionError: in a callback"):
        mock.reset()
    mock.check()


def test_it_says_that_it_does_not_run() -> None:
    mock = ImdsMock()
    with pytest.raises(RuntimeError, match="the mock does not run: use it inside its `with` block"):
        mock.reset()
    with mock:
        pass
    with pytest.raises(RuntimeError, match="the mock does not run"):
        mock.reset()
    with pytest.raises(RuntimeError, match="this mock has run already: make another one"):
        mock.__enter__()
    ImdsMock().close()


def test_a_failed_start_leaves_no_thread(mock: ImdsMock) -> None:
    before = threads()
    taken = int(mock.endpoint_url.rpartition(":")[2])
    with pytest.raises(MockError, match=str(taken)):
        ImdsMock(server={"port": taken}).__enter__()
    assert threads() == before


@pytest.mark.measures_time
def test_a_start_and_a_reset_take_little_time(mock: ImdsMock) -> None:
    began = time.perf_counter()
    with ImdsMock():
        started = time.perf_counter() - began
    times = []
    for _ in range(20):
        began = time.perf_counter()
        mock.reset()
        times.append(time.perf_counter() - began)
    assert started < 0.25
    assert sorted(times)[10] < 0.005


SCENARIO = """
name: interruption
steps:
  - {at: 1h, event: {kind: rebalance}}
  - {fault: {kind: status, status: 500, path: "*/iam/*"}}
  - {event: {kind: spot, action: terminate, for: 1h}}
"""


def test_a_scenario_begins_and_ends_with_its_block(mock: ImdsMock) -> None:
    with mock.play(SCENARIO) as played:
        rebalance, spot = played.events
        (status,) = played.faults
        assert [each.state for each in (rebalance, spot, status)] == ["pending", "active", "active"]
        assert get(mock, "meta-data/spot/instance-action")[0] == 200
        assert get(mock, "meta-data/iam/info")[0] == 500
        assert (len(spot.seen), status.hits, rebalance.seen) == (1, 1, ())
        mock.clock.advance(hours=1)
        assert [each.state for each in played.events] == ["active", "ended"]
    assert [each.state for each in (rebalance, spot, status)] == ["removed"] * 3
    assert get(mock, "meta-data/iam/info")[0] == 200
    mock.clock.real()


def test_an_invalid_scenario_arms_nothing(mock: ImdsMock) -> None:
    steps = [{"event": {"kind": "rebalance"}}, {"fault": {"kind": "delai"}}]
    with pytest.raises(ConfigError, match=r"scenario: steps\[1\]\.fault.*did you mean delay\?"):
        mock.play({"steps": steps})
    assert "meta-data/events/recommendations/rebalance" not in mock.metadata


def test_a_scenario_in_an_asynchronous_test() -> None:
    async def run() -> None:
        async with AsyncImdsMock() as mock:
            async with mock.play(SCENARIO) as played:
                assert await asyncio.to_thread(get, mock, "meta-data/spot/instance-action")
                assert (await played.events[1]).status == 200
            assert [each.state for each in played.events] == ["removed", "removed"]

    asyncio.run(run())
