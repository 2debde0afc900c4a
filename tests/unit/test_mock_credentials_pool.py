"""The refreshers of a run: the start, the limit of their number, and idle ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from imds_mock.build.loading import from_document
from imds_mock.clock import MockClock
from imds_mock.credentials.pool import RefresherPool
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials, FetchError, request_for
from imds_mock.metadata.instance import derive
from imds_mock.run.credential_manager import CredentialManager
from support.fake_aws import HOUR, NOW, REQUEST, FakeAws, credentials, refused, unreachable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from imds_mock.config.settings import Config
    from imds_mock.credentials.refresher import (
        RefresherDependencies,
    )


def start_task(_name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(coroutine)


def pool_of(dependencies: RefresherDependencies) -> RefresherPool:
    return RefresherPool(dependencies, lambda: 10.0, start_task)


def manager_of(config: Config) -> CredentialManager:
    return CredentialManager(
        started=NOW,
        config=lambda: config,
        start_task=start_task,
        clock=MockClock(lambda: NOW),
        random=lambda: 0.5,
        report=lambda _sentence: None,
        changed=lambda: None,
    )


def test_an_idle_refresher_ends_after_an_hour() -> None:
    fake = FakeAws([credentials(number, NOW + number * HOUR) for number in range(1, 9)], is_configured=False)

    async def run() -> None:
        pool = pool_of(fake.dependencies())
        refresher = pool.refresher_for(REQUEST)
        pool.start()
        assert pool.refresher_for(REQUEST) is refresher
        await asyncio.gather(*pool._running.values())
        assert pool._refreshers == {}, "the pool drops its last reference"

    asyncio.run(run())
    assert fake.calls == [0, 35 * 60], "an hour after the last use"


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ([credentials(1, NOW + HOUR)], 1),
        ([refused()], 1),
        ([FetchError("other", "no profile")], 1),
        ([unreachable(), unreachable(), credentials(1, NOW + HOUR)], 3),
    ],
)
def test_the_start_waits_for_a_first_result(script: Sequence[FetchedCredentials | FetchError], calls: int) -> None:
    fake = FakeAws(list(script), random=1.0)

    async def run() -> int:
        pool = pool_of(fake.dependencies())
        pool.refresher_for(REQUEST)
        pool.start()
        await pool.wait_until_ready(10)
        return len(fake.calls)

    assert asyncio.run(run()) == calls


def test_the_number_of_roles_named_by_callers_is_limited() -> None:
    document = {"credentials": {"source": "assume-role"}, "instance": {"role": "web"}, "ecs": {"any_role": True}}
    config = from_document(document)
    own = request_for(config.credentials, derive(config.instance, NOW), "web")
    manager = manager_of(config)
    named = [
        msgspec.structs.replace(own, role_arn=f"arn:aws:iam::123456789012:role/r{number}") for number in range(1100)
    ]
    kept = [manager.refreshable(each) for each in named]
    assert [isinstance(each, NotRefreshed) for each in kept] == [False] * 1024 + [True] * 76
    assert not isinstance(manager.refreshable(own), NotRefreshed)
    assert not isinstance(manager.refreshable(named[0]), NotRefreshed)


def test_an_idle_container_gets_new_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeAws([credentials(number, NOW + number * HOUR) for number in range(1, 9)], is_configured=False)

    async def run() -> None:
        pool = pool_of(fake.dependencies())
        monkeypatch.setattr("imds_mock.run.credential_manager._pool", lambda *_: pool)
        manager = manager_of(from_document({}))
        kept = manager.refreshable(REQUEST)
        await manager.start()
        await asyncio.gather(*pool._running.values())
        fake.now += 2 * HOUR
        assert kept.valid_at(fake.now) is None
        await pool.wait_until_ready(10)
        assert kept.valid_at(fake.now) is not None

    asyncio.run(run())


def test_the_start_waits_for_a_limited_time() -> None:
    fake = FakeAws([])

    async def never(_request: CredentialRequest) -> FetchedCredentials:
        await asyncio.sleep(3600)
        raise AssertionError

    async def run() -> None:
        pool = pool_of(msgspec.structs.replace(fake.dependencies(), fetch=never))
        pool.refresher_for(REQUEST)
        pool.start()
        await pool.wait_until_ready(0.01)

    asyncio.run(run())
