"""An application on boto3 lives through what the mock does to it: throttling, revoked tokens, credentials that end."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.credentials import InstanceMetadataProvider
from botocore.utils import InstanceMetadataFetcher

from support.mockcontrol import DrivenMock, driven_mock
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path) as running:
        # botocore has a clock of its own.
        running.clock.now = time.time()
        yield running


def credentials(mock: DrivenMock, attempts: int = 3) -> Any:
    fetcher = InstanceMetadataFetcher(
        timeout=60, num_attempts=attempts, base_url=f"http://127.0.0.1:{mock.port}/", user_agent="test"
    )
    loaded = InstanceMetadataProvider(fetcher).load()
    if loaded is not None:
        # So that the test's clock decides when botocore thinks that they end.
        loaded._time_fetcher = lambda: datetime.fromtimestamp(mock.clock.now, UTC)
    return loaded


def key(loaded: Any) -> str:
    return str(loaded.get_frozen_credentials().access_key)


def test_a_burst_of_503s_is_retried(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/faults", {"kind": "status", "retry_after": 1, "count": 2})
    assert key(credentials(mock)).startswith("ASIA")
    statuses = [each["status"] for each in mock.do("GET", "/v1/requests")]
    assert statuses == [503, 503, 200, 200, 200]


def test_a_burst_that_lasts_longer_than_the_patience_is_felt(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/faults", {"kind": "status", "path": "*/iam/*"})
    assert credentials(mock) is None


def test_credentials_that_end_are_fetched_anew(mock: DrivenMock) -> None:
    loaded = credentials(mock)
    first = key(loaded)
    assert key(loaded) == first
    mock.do("POST", "/v1/events", {"kind": "credentials-expiry", "in": "1h", "after": "20m"})
    mock.clock.now += 3600 + 1200
    # The application's own are good for hours still; then they are not.
    assert key(loaded) == first
    mock.clock.now += 5 * 3600
    second = key(loaded)
    assert second != first
    assert mock.do("GET", "/v1/requests/count?path=*/iam/security-credentials/?*")["count"] == 2


def test_keys_of_the_short_life_that_the_page_gives_are_renewed_within_five_minutes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "control.md").read_text()
    written = re.findall(r"^      IMDS_MOCK_CREDENTIALS_(\w+): (\d+)$", page, re.MULTILINE)
    document = {"credentials": {name.lower(): int(value) for name, value in written}}
    with driven_mock(tmp_path, document) as mock:
        mock.clock.now = time.time()
        loaded = credentials(mock)
        first = key(loaded)
        mock.do("POST", "/v1/events", {"kind": "credentials-rotation"})
        mock.clock.now += 301
        assert key(loaded) != first
        assert loaded.get_frozen_credentials().access_key.startswith("ASIA")


def test_tokens_that_were_revoked_are_replaced(mock: DrivenMock) -> None:
    loaded = credentials(mock)
    first = key(loaded)
    mock.clock.now += 1
    mock.do("POST", "/v1/faults", {"kind": "revoke-tokens"})
    mock.clock.now += 6.5 * 3600
    assert key(loaded) != first


def test_nothing_of_boto3_is_imdsv1(mock: DrivenMock) -> None:
    key(credentials(mock))
    assert mock.do("GET", "/v1/requests/imdsv1") == []
