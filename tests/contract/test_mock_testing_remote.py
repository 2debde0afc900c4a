"""A mock for tests that is driven over its control plane: all that docs/testing.md shows for one in the process."""

from __future__ import annotations

import re
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from imds_mock.events.armed import NotStartedError
from imds_mock.testing import ConfigError, FieldError, ImdsMock
from support.paths import ROOT
from support.remote_mock import Unreachable, over_the_control_plane

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.testing.blocking import BlockingMock

PAGE = (ROOT / "docs/testing.md").read_text()
BLOCKS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    if "def test_" not in block and "ImdsMock" not in block
]


@pytest.fixture(scope="module")
def local() -> Iterator[ImdsMock]:
    with ImdsMock(region="eu-west-1") as mock:
        yield mock


@pytest.fixture
def mock(local: ImdsMock) -> BlockingMock:
    local.reset()
    return over_the_control_plane(local)


def get(mock: BlockingMock, path: str) -> str:
    with urllib.request.urlopen(f"{mock.endpoint_url}/latest/{path}", timeout=60) as response:  # noqa: S310 - http
        return str(response.read().decode())


@pytest.mark.parametrize("block", BLOCKS)
def test_the_examples_on_the_page_run(mock: BlockingMock, block: str) -> None:
    exec(block, {"mock": mock, "get": lambda path: get(mock, path)})  # noqa: S102 - the page's own code


def test_settings_change_together_or_not_at_all(mock: BlockingMock) -> None:
    mock.configure(region="eu-west-2", tags={"team": "blue"}, user_data="#!/bin/sh\n", ecs={"any_role": True})
    assert mock.region == "eu-west-2"
    assert (mock.config.instance.tags, mock.config.ecs.any_role) == ({"team": "blue"}, True)
    assert get(mock, "user-data") == "#!/bin/sh\n"
    with pytest.raises(ConfigError, match=r"instance_typ='m5.large'; did you mean instance_type\?"):
        mock.configure(region="eu-west-3", instance_typ="m5.large")
    with pytest.raises(ConfigError, match=r"http_tokens.*'sometimes'"):
        mock.configure(region="eu-west-3", http_tokens="sometimes")
    with pytest.raises(ConfigError, match=r"server\.port takes effect at the start only"):
        mock.configure(server__port=80)
    assert mock.region == "eu-west-2"


def test_metadata_that_is_missing_binary_or_invalid(mock: BlockingMock) -> None:
    mock.metadata["meta-data/own/bytes"] = {"$base64": "/w=="}
    assert mock.metadata["meta-data/own/bytes"] == b"\xff"
    assert get(mock, "meta-data/own/") == "bytes"
    assert "meta-data/own/bytes" in list(mock.metadata)
    with pytest.raises(KeyError, match="did you mean meta-data/placement/region"):
        mock.metadata["meta-data/placement/regio"]
    with pytest.raises(KeyError, match="no metadata at 'meta-data/absent'"):
        del mock.metadata["meta-data/absent"]
    with pytest.raises(ConfigError, match="base64"):
        mock.metadata["meta-data/own/bytes"] = {"$base64": "?"}
    with pytest.raises(KeyError, match="no metadata at 'meta-data'"):
        mock.metadata["meta-data"]


def test_only_requests_after_the_start_of_an_event_meet_it(mock: BlockingMock) -> None:
    get(mock, "meta-data/instance-id")
    mock.metadata["meta-data/spot/instance-action"] = "own"
    get(mock, "meta-data/spot/instance-action")
    interruption = mock.spot.interrupt(in_seconds=timedelta(hours=1))
    get(mock, "meta-data/spot/instance-action")
    assert (interruption.state, interruption.seen) == ("pending", ())
    mock.clock.advance(hours=1)
    get(mock, "meta-data/spot/instance-action")
    assert [each.status for each in interruption.seen] == [200]
    interruption.remove()
    get(mock, "meta-data/spot/instance-action")
    assert (len(interruption.seen), interruption.state) == (1, "removed")


def test_a_handle_keeps_what_was_seen_before_a_reset(mock: BlockingMock) -> None:
    rebalance, fault = mock.spot.rebalance(), mock.faults.delay(0, path="meta-data/*")
    get(mock, "meta-data/events/recommendations/rebalance")
    mock.reset()
    assert (len(rebalance.seen), len(fault.seen)) == (1, 1)
    assert (rebalance.state, fault.state, fault.hits) == ("removed", "removed", 0)
    rebalance.cancel()
    rebalance.end()
    fault.remove()


def test_an_event_that_has_not_started_cannot_be_ended(mock: BlockingMock) -> None:
    later = mock.spot.rebalance(in_seconds=60)
    with pytest.raises(NotStartedError, match="it has not started"):
        later.end()


def test_wrong_fields_are_named_before_anything_is_sent(mock: BlockingMock) -> None:
    with pytest.raises(FieldError, match=r"did you mean in_seconds"):
        mock.spot.interrupt(in_second=5)  # type: ignore[call-arg] # what the test is about
    with pytest.raises(FieldError, match="terminat"):
        mock.add("spot", action="terminat")


def test_failures_show_the_requests_that_were_made(mock: BlockingMock) -> None:
    get(mock, "meta-data/instance-id")
    with pytest.raises(AssertionError, match=r"(?s)no request for meta-data/x within 0.2 s.*GET /latest"):
        mock.wait_until_requested("meta-data/x", timeout=0.2)
    with pytest.raises(AssertionError, match=r"(?s)expected no IMDSv1 request, got 1 IMDSv1 request.*127.0.0.1"):
        mock.assert_no_imdsv1()
    with pytest.raises(AssertionError, match=r"(?s)no client has seen spot-\d+ within 0 s.*GET"):
        mock.spot.interrupt().wait_until_seen(timeout=0)


def test_the_clock_shows_the_time_that_was_set(mock: BlockingMock) -> None:
    mock.clock.set(datetime(2031, 5, 1, tzinfo=UTC))
    assert mock.clock.now - datetime(2031, 5, 1, tzinfo=UTC) < timedelta(seconds=5)


def test_a_mock_that_has_ended_is_reported() -> None:
    with ImdsMock() as ended:
        remote = over_the_control_plane(ended)
        assert remote.region == "us-east-1"
    with pytest.raises(Unreachable, match="no control plane answers"):
        remote.spot.interrupt()
    with pytest.raises(Unreachable, match="no control plane answers"):
        remote.wait_until_requested("*", timeout=30)


def test_a_scenario_is_played(mock: BlockingMock) -> None:
    steps = [
        {"event": {"kind": "rebalance"}},
        {"at": "1h", "event": {"kind": "spot", "action": "terminate"}},
        {"fault": {"kind": "status", "status": 500, "path": "*/iam/*"}},
    ]
    with mock.play({"steps": steps}) as played:
        rebalance, spot = played.events
        assert [each.state for each in (rebalance, spot, *played.faults)] == ["active", "pending", "active"]
        get(mock, "meta-data/events/recommendations/rebalance")
        assert [request.status for request in rebalance.seen] == [200]
        assert spot.seen == ()
    assert (rebalance.state, spot.state, played.faults[0].state) == ("removed", "removed", "removed")
