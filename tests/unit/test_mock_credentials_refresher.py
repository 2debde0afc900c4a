"""Fetched credentials: renewed before they expire, retried after failures, served as long as they are valid."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.credentials.refreshable import RefreshedCredentials
from imds_mock.credentials.refresher import (
    MAX_AHEAD_SECONDS,
    MAX_PAUSE_SECONDS,
    Refresher,
    RefresherDependencies,
    next_fetch_time,
)
from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials, FetchError
from imds_mock.credentials.values import KEPT_SECONDS, CredentialFailure, RoleCredentials
from imds_mock.scheduling.window import Window
from support.fake_aws import HOUR, NOW, REQUEST, SECRET, FakeAws, ScriptEnd, credentials, refused, unreachable


def run_refresher(*script: FetchedCredentials | FetchError, random: float = 0.0) -> tuple[Refresher, FakeAws]:
    """Run a refresher until the script ends."""
    fake = FakeAws(list(script), random=random)
    refresher = Refresher(REQUEST, fake.dependencies())
    with contextlib.suppress(ScriptEnd):
        asyncio.run(refresher.run())
    return refresher, fake


def keys(source: RefreshedCredentials, now: float) -> str:
    current = source.current(now)
    assert isinstance(current, RoleCredentials)
    return current.access_key_id


@given(st.floats(600, 12 * HOUR), st.floats(1, 24 * HOUR), st.floats(0, 1, exclude_max=True))
def test_the_next_fetch_is_five_minutes_or_more_before_the_end(life: float, renew: float, jitter: float) -> None:
    then = next_fetch_time(NOW + life, NOW, renew, jitter)
    assert then <= NOW + life - 300
    assert then <= NOW + max(renew, 5.0)
    assert then > NOW


@given(st.floats(2 * MAX_AHEAD_SECONDS, 12 * HOUR))
def test_the_next_fetch_precedes_sdks_that_ask_15_minutes_before_the_expiration(life: float) -> None:
    assert next_fetch_time(NOW + life, NOW, 24 * HOUR, 0.0) <= NOW + life - 20 * 60


def test_the_next_fetch_is_after_35_minutes_for_one_hour_and_hourly_for_twelve_hours() -> None:
    assert next_fetch_time(NOW + HOUR, NOW, HOUR, 0.0) == NOW + 35 * 60
    assert next_fetch_time(NOW + 12 * HOUR, NOW, HOUR, 0.0) == NOW + HOUR
    assert next_fetch_time(NOW + 900, NOW, HOUR, 0.0) == NOW + 450
    assert next_fetch_time(NOW + HOUR, NOW, HOUR, 0.5) == NOW + 35 * 60 * 0.95


def test_repeated_fetches() -> None:
    refresher, fake = run_refresher(
        credentials(1, NOW + HOUR), credentials(2, NOW + 2 * HOUR), credentials(3, NOW + 3 * HOUR)
    )
    assert fake.calls == [0, 35 * 60, 35 * 60 + HOUR, 35 * 60 + 2 * HOUR]
    assert max(fake.slept) <= 30, "short sleeps notice that a laptop was suspended"
    valid = refresher.valid_at(fake.now)
    assert valid is not None
    assert (valid.access_key_id, valid.last_updated) == ("ASIA3", NOW + 35 * 60 + HOUR)
    assert fake.logged == [
        "fetched credentials of arn:aws:iam::123456789012:role/web, valid until 2025-06-15T16:06:40Z"
    ]


def test_pauses_after_failures_grow_to_one_minute() -> None:
    _, fake = run_refresher(*[unreachable()] * 9, random=1.0)
    pauses = [after - before for before, after in zip(fake.calls, fake.calls[1:], strict=False)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.floats(0, 1, exclude_max=True))
def test_pauses_have_full_jitter(random: float) -> None:
    _, fake = run_refresher(*[unreachable()] * 8, random=random)
    pauses = [after - before for before, after in zip(fake.calls, fake.calls[1:], strict=False)]
    for attempt, pause in enumerate(pauses):
        assert pause == pytest.approx(random * min(2.0**attempt, MAX_PAUSE_SECONDS), abs=1e-3)


def test_the_last_credentials_are_served_until_they_expire() -> None:
    refresher, fake = run_refresher(credentials(1, NOW + HOUR), *[unreachable()] * 60, random=1.0)
    source = RefreshedCredentials("web", refresher)
    assert fake.now > NOW + HOUR
    assert keys(source, NOW + HOUR - 1) == "ASIA1"
    assert source.current(NOW + HOUR) is None


def test_a_refusal_shows_once_the_last_credentials_have_expired() -> None:
    refresher, _ = run_refresher(credentials(1, NOW + HOUR), refused())
    source = RefreshedCredentials("web", refresher)
    assert keys(source, NOW + HOUR - 1) == "ASIA1"
    failure = source.current(NOW + HOUR)
    assert isinstance(failure, CredentialFailure)
    assert failure.code == "AssumeRoleUnauthorizedAccess"
    assert failure.message.startswith("EC2 cannot assume the role web.  Please see documentation at https://")
    assert failure.last_updated == NOW + 35 * 60


def test_a_refusal_at_the_start_ends_with_the_next_attempt() -> None:
    refresher, _ = run_refresher(refused())
    assert isinstance(RefreshedCredentials("web", refresher).current(NOW), CredentialFailure)
    refresher, _ = run_refresher(refused(), unreachable())
    assert RefreshedCredentials("web", refresher).current(NOW) is None
    refresher, _ = run_refresher(refused(), credentials(1, NOW + HOUR))
    assert keys(RefreshedCredentials("web", refresher), NOW) == "ASIA1"


@pytest.mark.parametrize(
    ("script", "changes"),
    [
        ([credentials(1, NOW + HOUR)], 1),
        ([credentials(1, NOW + 12 * HOUR), credentials(1, NOW + 12 * HOUR)], 1),
        ([credentials(1, NOW + HOUR), credentials(2, NOW + 2 * HOUR)], 2),
        ([unreachable(), unreachable()], 0),
        ([refused(), credentials(1, NOW + HOUR)], 2),
        ([refused(), unreachable()], 2),
        ([credentials(1, NOW + 12 * HOUR), refused(), credentials(1, NOW + 12 * HOUR)], 3),
    ],
)
def test_a_change_of_the_credentials_or_of_a_refusal_is_told(
    script: list[FetchedCredentials | FetchError], changes: int
) -> None:
    _, fake = run_refresher(*script)
    assert len(fake.changes) == changes


def test_the_state_has_changed_when_it_is_told() -> None:
    fake = FakeAws([credentials(1, NOW + HOUR), refused(), credentials(2, NOW + 2 * HOUR)])
    told: list[tuple[bool, str]] = []

    def tell() -> None:
        told.append((refresher.refused_at is None, keys(RefreshedCredentials("web", refresher), NOW)))

    refresher = Refresher(REQUEST, msgspec.structs.replace(fake.dependencies(), changed=tell))
    with contextlib.suppress(ScriptEnd):
        asyncio.run(refresher.run())
    assert told == [(True, "ASIA1"), (False, "ASIA1"), (True, "ASIA2")]


def test_a_kept_response_counts_as_use_and_ends_with_the_credentials() -> None:
    refresher, _ = run_refresher(credentials(1, NOW + HOUR))
    source = RefreshedCredentials("web", refresher)
    assert source.same_during(NOW + 10) == Window(NOW + 10, NOW + 10 + KEPT_SECONDS)
    assert source.same_during(NOW + HOUR - 10) == Window(NOW + HOUR - 10, NOW + HOUR)
    assert source.same_during(NOW + HOUR) == Window(NOW + HOUR, NOW + HOUR + KEPT_SECONDS)
    assert refresher._used_at == NOW + HOUR


def test_a_problem_is_logged_every_five_minutes_and_when_it_ends() -> None:
    _, fake = run_refresher(*[unreachable()] * 12, credentials(1, NOW + 2 * HOUR), random=1.0)
    assert fake.logged == [
        "cannot fetch credentials of arn:aws:iam::123456789012:role/web: http://sts cannot be reached",
        "cannot fetch credentials of arn:aws:iam::123456789012:role/web: http://sts cannot be reached",
        "fetched credentials of arn:aws:iam::123456789012:role/web, valid until 2025-06-15T17:06:40Z",
    ]
    _, fake = run_refresher(unreachable(), refused(), unreachable(), random=1.0)
    assert len(fake.logged) == 3, "a different reason is logged at once"
    _, fake = run_refresher(credentials(1, NOW + HOUR), unreachable())
    assert fake.logged[1].endswith(" (serving those valid until 2025-06-15T16:06:40Z)")


def test_log_and_repr_contain_no_secret() -> None:
    refresher, fake = run_refresher(credentials(1, NOW + HOUR), unreachable(), credentials(2, NOW + 2 * HOUR))
    request = CredentialRequest(
        "eu-west-1", 3600, HOUR, access_key_id="AKIA1", secret_access_key=SECRET, session_token=SECRET
    )
    shown = f"{fake.logged} {refresher.valid_at(fake.now)!r} {credentials(1, None)!r} {request!r} {request}"
    assert SECRET not in shown
    assert "token 1" not in shown


def test_last_updated_stays_if_the_source_returns_the_same_credentials() -> None:
    refresher, _ = run_refresher(credentials(1, NOW + 12 * HOUR), credentials(1, NOW + 12 * HOUR))
    valid = refresher.valid_at(NOW)
    assert valid is not None
    assert valid.last_updated == NOW


def test_credentials_without_an_expiration_are_valid_for_an_hour() -> None:
    refresher, fake = run_refresher(credentials(1, None), credentials(1, None))
    valid = refresher.valid_at(fake.now)
    assert valid is not None
    assert (valid.expiration, fake.calls[1]) == (NOW + 35 * 60 + HOUR, 35 * 60)


def test_expired_credentials_are_rejected() -> None:
    refresher, fake = run_refresher(credentials(1, NOW - 1))
    assert refresher.valid_at(NOW) is None
    assert "they expired at 2025-06-15T15:06:39Z; renew them at their source" in fake.logged[0]


def test_a_requested_renewal_ends_the_wait() -> None:
    fake = FakeAws([credentials(1, NOW + HOUR), credentials(2, NOW + HOUR)])

    async def run() -> Refresher:
        refresher = Refresher(REQUEST, fake.dependencies())

        async def sleep(seconds: float) -> None:
            refresher.renew_after(NOW - 1)  # the current ones are newer
            if len(fake.calls) == 1:
                fake.now += 1
                refresher.renew_after(fake.now)
                await asyncio.sleep(3600)
            await fake.sleep(seconds)

        refresher._dependencies = RefresherDependencies(
            fake.fetch, lambda: fake.now, sleep, lambda: 0.0, fake.logged.append, lambda _: True, lambda: None
        )
        with contextlib.suppress(ScriptEnd):
            await refresher.run()
        return refresher

    refresher = asyncio.run(run())
    assert fake.calls[1] == 1
    valid = refresher.valid_at(fake.now)
    assert valid is not None
    assert valid.access_key_id == "ASIA2"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (credentials(2, NOW + HOUR), None),
        (credentials(1, NOW + HOUR), "their source returned the same ones"),
        (refused(), "AssumeRole was refused"),
        (unreachable(), "http://sts cannot be reached"),
    ],
)
def test_waiting_for_a_renewal_returns_its_failure(result: FetchedCredentials | FetchError, reason: str | None) -> None:
    fake = FakeAws([credentials(1, NOW + HOUR), result])
    requested = asyncio.Event()

    async def run() -> str | None:
        refresher = Refresher(REQUEST, fake.dependencies())

        async def sleep(_seconds: float) -> None:
            if len(fake.calls) == 1:
                requested.set()
            await asyncio.sleep(3600)

        refresher._dependencies = RefresherDependencies(
            fake.fetch, lambda: fake.now, sleep, lambda: 0.0, fake.logged.append, lambda _: True, lambda: None
        )
        running = asyncio.create_task(refresher.run())
        await requested.wait()
        assert await refresher.wait_for_renewal() is None  # no renewal was requested
        fake.now += 1
        refresher.renew_after(fake.now)
        try:
            return await refresher.wait_for_renewal()
        finally:
            running.cancel()

    assert asyncio.run(run()) == reason


def test_waiting_for_a_renewal_ends_with_the_next_attempt_after_the_clock_was_set_back() -> None:
    fake = FakeAws([credentials(1, NOW + HOUR)])

    async def run() -> str | None:
        never = msgspec.structs.replace(fake.dependencies(), sleep=lambda _seconds: asyncio.sleep(3600))
        refresher = Refresher(REQUEST, never)
        refresher.renew_after(NOW)
        waiting = asyncio.create_task(refresher.wait_for_renewal())
        await asyncio.sleep(0)
        fake.now -= HOUR
        refresher.clock_moved(NOW, fake.now)
        running = asyncio.create_task(refresher.run())
        try:
            return await asyncio.wait_for(waiting, 60)
        finally:
            running.cancel()

    assert asyncio.run(run()) is None


def test_a_renewal_requested_during_a_fetch_is_not_repeated() -> None:
    fake = FakeAws([credentials(1, NOW + HOUR), credentials(2, NOW + HOUR)])
    refresher = Refresher(REQUEST, fake.dependencies())

    async def fetch(request: CredentialRequest) -> FetchedCredentials:
        fetched = await fake.fetch(request)
        refresher.renew_after(NOW - 1)
        fake.now += 1
        return fetched

    refresher._dependencies = RefresherDependencies(
        fetch, lambda: fake.now, fake.sleep, lambda: 0.0, fake.logged.append, lambda _: True, lambda: None
    )
    with contextlib.suppress(ScriptEnd):
        asyncio.run(refresher.run())
    assert fake.calls[1] > 30 * 60


def test_a_failing_renewal_keeps_the_pauses() -> None:
    fake = FakeAws([credentials(1, NOW + HOUR), *[unreachable()] * 5], random=1.0)
    refresher = Refresher(REQUEST, fake.dependencies())

    async def sleep(seconds: float) -> None:
        await fake.sleep(seconds)
        refresher.renew_after(NOW + 1)  # as every read during an event

    refresher._dependencies = RefresherDependencies(
        fake.fetch, lambda: fake.now, sleep, lambda: 1.0, fake.logged.append, lambda _: True, lambda: None
    )
    with contextlib.suppress(ScriptEnd):
        asyncio.run(refresher.run())
    pauses = [after - before for before, after in zip(fake.calls[1:], fake.calls[2:], strict=False)]
    assert pauses == [1, 2, 4, 8, 16]
