"""Clocks far from today, before 1970 and after 2300: the mock serves as ever, and dates stay well-formed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.mockcontrol import driven_mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mockcontrol import DrivenMock

YEARS = {
    "0001": -62_135_500_000.25,
    "1901": -2_150_000_000.5,
    "1969": -0.5,
    "1970": 0.0,
    "2039": 2_190_000_000.5,
    "2301": 10_450_000_000.5,
    "9999": 253_400_000_000.5,
}
DATE = re.compile(r"\w{3}, \d{2} \w{3} (\d{4}) \d{2}:\d{2}:\d{2} GMT")


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path_factory.mktemp("clock")) as running:
        yield running


@pytest.mark.parametrize(("year", "now"), YEARS.items())
def test_everything_is_served_at_any_time(mock: DrivenMock, year: str, now: float) -> None:
    mock.clock.now = now
    token = mock.token()
    with_token = mock.get("/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)
    assert with_token.status == 200
    dated = DATE.fullmatch(with_token["Date"])
    assert dated
    assert dated[1] == year
    mock.clock.now = now + 21_601
    assert mock.get("/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token).status == 401
    mock.clock.now = now
    for path in mock.do("GET", "/v1/metadata"):
        assert mock.get(f"/latest/{path}").status == 200, path


@pytest.mark.parametrize("now", YEARS.values(), ids=YEARS)
def test_everything_can_be_driven_at_any_time(mock: DrivenMock, now: float) -> None:
    mock.clock.now = now
    mock.do("POST", "/v1/events", {"kind": "spot"})
    mock.do("POST", "/v1/events", {"kind": "maintenance", "in": "5m"})
    mock.do("POST", "/v1/scenarios", {"steps": [{"at": "5s", "event": {"kind": "rebalance"}}]})
    mock.do("POST", "/v1/faults", {"kind": "status", "status": 503, "path": "*/iam/*"})
    assert mock.get("/latest/meta-data/spot/instance-action").status == 200
    assert mock.get("/latest/meta-data/iam/info").status == 503
    for path in ("/v1/status", "/v1/events", "/v1/faults", "/v1/requests", "/metrics"):
        assert mock.call("GET", path).status == 200, path
    mock.do("POST", "/v1/reset")


def test_a_token_lives_from_one_side_of_the_epoch_to_the_other(mock: DrivenMock) -> None:
    mock.clock.now = -100.0
    token = mock.token()
    mock.clock.now = 100.0
    assert mock.get("/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token).status == 200
