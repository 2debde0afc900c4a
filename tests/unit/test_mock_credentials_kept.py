"""Working credentials: fetched ahead of their end, asked for again when they cannot be had, kept while good."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.credentials.pool import Pool
from imds_mock.credentials.refreshable import NotRefreshed, RefreshedCredentials
from imds_mock.credentials.refresher import LONGEST_PAUSE_SECONDS, MOST_AHEAD_SECONDS, Means, Refresher, due
from imds_mock.credentials.requests import CredentialRequest, Fetched, FetchError, request_for
from imds_mock.credentials.values import CredentialFailure, RoleCredentials
from imds_mock.metadata.instance import derive
from imds_mock.run.loading import ConfigError, from_document
from imds_mock.run.working_credentials import WorkingCredentials

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_750_000_000.0
HOUR = 3600.0
ORDER = CredentialRequest("eu-west-1", 3600, HOUR, role_arn="arn:aws:iam::123456789012:role/web")
SECRET = "planted-secret"  # noqa: S105 - planted, to be looked for


class ScriptIsOver(Exception):  # noqa: N818 - no error
    """The keeper wants to fetch, and the test has nothing more to say."""


def credentials(number: int, expiration: float | None) -> Fetched:
    return Fetched(f"ASIA{number}", SECRET, f"token {number}", expiration)


def unreachable() -> FetchError:
    return FetchError("unreachable", "http://sts cannot be reached")


def refused() -> FetchError:
    return FetchError("refused", "AssumeRole is refused")


@dataclass
class World:
    """Time that passes when somebody sleeps, and AWS by a script: outcomes, in the order of the calls."""

    script: list[Fetched | FetchError]
    now: float = NOW
    luck: float = 0.0
    calls: list[float] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    is_configured: bool = True

    def means(self) -> Means:
        return Means(
            self.fetch, lambda: self.now, self.sleep, lambda: self.luck, self.said.append, lambda _: self.is_configured
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def fetch(self, order: CredentialRequest) -> Fetched:
        assert order == ORDER
        self.calls.append(self.now - NOW)
        if not self.script:
            raise ScriptIsOver
        outcome = self.script.pop(0)
        if isinstance(outcome, FetchError):
            raise outcome
        return outcome


def kept(*script: Fetched | FetchError, luck: float = 0.0) -> tuple[Refresher, World]:
    """A keeper that has run until the script was over."""
    world = World(list(script), luck=luck)
    refresher = Refresher(ORDER, world.means())
    with contextlib.suppress(ScriptIsOver):
        asyncio.run(refresher.run())
    return refresher, world


def keys(source: RefreshedCredentials, now: float) -> str:
    current = source.current(now)
    assert isinstance(current, RoleCredentials)
    return current.access_key_id


@given(st.floats(600, 12 * HOUR), st.floats(1, 24 * HOUR), st.floats(0, 1, exclude_max=True))
def test_new_ones_are_fetched_five_minutes_and_more_before_the_end(life: float, renew: float, early: float) -> None:
    again = due(NOW + life, NOW, renew, early)
    assert again <= NOW + life - 300
    assert again <= NOW + max(renew, 5.0)
    assert again > NOW


@given(st.floats(2 * MOST_AHEAD_SECONDS, 12 * HOUR))
def test_sdks_that_ask_a_quarter_of_an_hour_ahead_find_them(life: float) -> None:
    assert due(NOW + life, NOW, 24 * HOUR, 0.0) <= NOW + life - 20 * 60


def test_credentials_of_an_hour_are_fetched_again_after_35_minutes_and_those_of_twelve_hourly() -> None:
    assert due(NOW + HOUR, NOW, HOUR, 0.0) == NOW + 35 * 60
    assert due(NOW + 12 * HOUR, NOW, HOUR, 0.0) == NOW + HOUR
    assert due(NOW + 900, NOW, HOUR, 0.0) == NOW + 450
    assert due(NOW + HOUR, NOW, HOUR, 0.5) == NOW + 35 * 60 * 0.95


def test_it_fetches_again_and_again() -> None:
    refresher, world = kept(credentials(1, NOW + HOUR), credentials(2, NOW + 2 * HOUR), credentials(3, NOW + 3 * HOUR))
    assert world.calls == [0, 35 * 60, 35 * 60 + HOUR, 35 * 60 + 2 * HOUR]
    assert max(world.slept) <= 30, "a laptop that was asleep is noticed"
    held = refresher.held(world.now)
    assert held is not None
    assert (held.access_key_id, held.last_updated) == ("ASIA3", NOW + 35 * 60 + HOUR)
    assert world.said == ["credentials of arn:aws:iam::123456789012:role/web until 2025-06-15T16:06:40Z"]


def test_pauses_after_failures_grow_up_to_a_minute() -> None:
    _, world = kept(*[unreachable()] * 9, luck=1.0)
    pauses = [after - before for before, after in zip(world.calls, world.calls[1:], strict=False)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.floats(0, 1, exclude_max=True))
def test_pauses_have_full_jitter(luck: float) -> None:
    _, world = kept(*[unreachable()] * 8, luck=luck)
    pauses = [after - before for before, after in zip(world.calls, world.calls[1:], strict=False)]
    for attempt, pause in enumerate(pauses):
        assert pause == pytest.approx(luck * min(2.0**attempt, LONGEST_PAUSE_SECONDS), abs=1e-3)


def test_the_last_good_ones_are_served_while_they_are_good_and_then_none() -> None:
    refresher, world = kept(credentials(1, NOW + HOUR), *[unreachable()] * 60, luck=1.0)
    source = RefreshedCredentials("web", refresher)
    assert world.now > NOW + HOUR
    assert keys(source, NOW + HOUR - 1) == "ASIA1"
    assert source.current(NOW + HOUR) is None


def test_a_refusal_shows_when_the_last_good_ones_have_ended() -> None:
    refresher, _ = kept(credentials(1, NOW + HOUR), refused())
    source = RefreshedCredentials("web", refresher)
    assert keys(source, NOW + HOUR - 1) == "ASIA1"
    failure = source.current(NOW + HOUR)
    assert isinstance(failure, CredentialFailure)
    assert failure.code == "AssumeRoleUnauthorizedAccess"
    assert failure.message.startswith("EC2 cannot assume the role web.  Please see documentation at https://")
    assert failure.last_updated == NOW + 35 * 60


def test_a_refusal_at_the_start_and_what_ends_it() -> None:
    refresher, _ = kept(refused())
    assert isinstance(RefreshedCredentials("web", refresher).current(NOW), CredentialFailure)
    refresher, _ = kept(refused(), unreachable())
    assert RefreshedCredentials("web", refresher).current(NOW) is None
    refresher, _ = kept(refused(), credentials(1, NOW + HOUR))
    assert keys(RefreshedCredentials("web", refresher), NOW) == "ASIA1"


def test_the_log_says_what_is_wrong_once_in_five_minutes_and_when_it_is_over() -> None:
    _, world = kept(*[unreachable()] * 12, credentials(1, NOW + 2 * HOUR), luck=1.0)
    assert world.said == [
        "no credentials of arn:aws:iam::123456789012:role/web: http://sts cannot be reached",
        "no credentials of arn:aws:iam::123456789012:role/web: http://sts cannot be reached",
        "credentials of arn:aws:iam::123456789012:role/web until 2025-06-15T17:06:40Z",
    ]
    _, world = kept(unreachable(), refused(), unreachable(), luck=1.0)
    assert len(world.said) == 3, "another reason is told at once"
    _, world = kept(credentials(1, NOW + HOUR), unreachable())
    assert world.said[1].endswith("; those until 2025-06-15T16:06:40Z are served meanwhile")


def test_no_secret_is_in_what_is_said_or_shown() -> None:
    refresher, world = kept(credentials(1, NOW + HOUR), unreachable(), credentials(2, NOW + 2 * HOUR))
    order = CredentialRequest(
        "eu-west-1", 3600, HOUR, access_key_id="AKIA1", secret_access_key=SECRET, session_token=SECRET
    )
    shown = f"{world.said} {refresher.held(world.now)!r} {credentials(1, None)!r} {order!r} {order}"
    assert SECRET not in shown
    assert "token 1" not in shown


def test_the_same_ones_given_out_again_are_no_new_ones() -> None:
    refresher, _ = kept(credentials(1, NOW + 12 * HOUR), credentials(1, NOW + 12 * HOUR))
    held = refresher.held(NOW)
    assert held is not None
    assert held.last_updated == NOW


def test_an_end_that_nobody_told_is_an_hour_ahead() -> None:
    refresher, world = kept(credentials(1, None), credentials(1, None))
    held = refresher.held(world.now)
    assert held is not None
    assert (held.expiration, world.calls[1]) == (NOW + 35 * 60 + HOUR, 35 * 60)


def test_what_has_ended_already_is_no_credentials() -> None:
    refresher, world = kept(credentials(1, NOW - 1))
    assert refresher.held(NOW) is None
    assert "they ended at 2025-06-15T15:06:39Z; renew them where they come from" in world.said[0]


def test_a_wish_for_newer_ones_ends_the_wait() -> None:
    world = World([credentials(1, NOW + HOUR), credentials(2, NOW + HOUR)])

    async def wish() -> Refresher:
        refresher = Refresher(ORDER, world.means())

        async def sleep(seconds: float) -> None:
            refresher.renew_after(NOW - 1)  # what is there is newer
            if len(world.calls) == 1:
                world.now += 1
                refresher.renew_after(world.now)
                await asyncio.sleep(3600)
            await world.sleep(seconds)

        refresher._means = Means(world.fetch, lambda: world.now, sleep, lambda: 0.0, world.said.append, lambda _: True)
        with contextlib.suppress(ScriptIsOver):
            await refresher.run()
        return refresher

    refresher = asyncio.run(wish())
    assert world.calls[1] == 1
    held = refresher.held(world.now)
    assert held is not None
    assert held.access_key_id == "ASIA2"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (credentials(2, NOW + HOUR), None),
        (credentials(1, NOW + HOUR), "their source gives the same ones again"),
        (refused(), "AssumeRole is refused"),
        (unreachable(), "http://sts cannot be reached"),
    ],
)
def test_one_can_wait_until_a_wish_is_fulfilled_or_cannot_be(outcome: Fetched | FetchError, reason: str | None) -> None:
    world = World([credentials(1, NOW + HOUR), outcome])
    wished = asyncio.Event()

    async def run() -> str | None:
        refresher = Refresher(ORDER, world.means())

        async def sleep(_seconds: float) -> None:
            if len(world.calls) == 1:
                wished.set()
            await asyncio.sleep(3600)

        refresher._means = Means(world.fetch, lambda: world.now, sleep, lambda: 0.0, world.said.append, lambda _: True)
        running = asyncio.create_task(refresher.run())
        await wished.wait()
        assert await refresher.caught_up() is None  # nothing was asked for
        world.now += 1
        refresher.renew_after(world.now)
        try:
            return await refresher.caught_up()
        finally:
            running.cancel()

    assert asyncio.run(run()) == reason


def test_a_wish_while_it_is_being_fulfilled_is_fulfilled_once() -> None:
    world = World([credentials(1, NOW + HOUR), credentials(2, NOW + HOUR)])
    refresher = Refresher(ORDER, world.means())

    async def fetch(order: CredentialRequest) -> Fetched:
        fetched = await world.fetch(order)
        refresher.renew_after(NOW - 1)
        world.now += 1
        return fetched

    refresher._means = Means(fetch, lambda: world.now, world.sleep, lambda: 0.0, world.said.append, lambda _: True)
    with contextlib.suppress(ScriptIsOver):
        asyncio.run(refresher.run())
    assert world.calls[1] > 30 * 60


def test_an_unfulfilled_wish_does_not_take_the_pauses_away() -> None:
    world = World([credentials(1, NOW + HOUR), *[unreachable()] * 5], luck=1.0)
    refresher = Refresher(ORDER, world.means())

    async def sleep(seconds: float) -> None:
        await world.sleep(seconds)
        refresher.renew_after(NOW + 1)  # as every read does while an event holds

    refresher._means = Means(world.fetch, lambda: world.now, sleep, lambda: 1.0, world.said.append, lambda _: True)
    with contextlib.suppress(ScriptIsOver):
        asyncio.run(refresher.run())
    pauses = [after - before for before, after in zip(world.calls[1:], world.calls[2:], strict=False)]
    assert pauses == [1, 2, 4, 8, 16]


def test_nobody_fetches_what_nobody_wants_any_more() -> None:
    world = World([credentials(number, NOW + number * HOUR) for number in range(1, 9)], is_configured=False)

    async def run() -> None:
        pool = Pool(world.means())
        refresher = pool.keep(ORDER)
        pool.start()
        assert pool.keep(ORDER) is refresher
        await asyncio.gather(*pool._running.values())
        assert pool._refreshers == {}, "the last reference to what it held goes with it"

    asyncio.run(run())
    assert world.calls == [0, 35 * 60], "an hour after somebody asked for them last"


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ([credentials(1, NOW + HOUR)], 1),
        ([refused()], 1),
        ([FetchError("other", "no profile")], 1),
        ([unreachable(), unreachable(), credentials(1, NOW + HOUR)], 3),
    ],
)
def test_the_start_waits_until_something_is_known(script: Sequence[Fetched | FetchError], calls: int) -> None:
    world = World(list(script), luck=1.0)

    async def run() -> int:
        pool = Pool(world.means())
        pool.keep(ORDER)
        pool.start()
        await pool.settled(10)
        return len(world.calls)

    assert asyncio.run(run()) == calls


def test_roles_that_callers_make_up_are_bounded_and_those_of_the_configuration_are_not() -> None:
    document = {"credentials": {"source": "assume-role"}, "instance": {"role": "web"}, "ecs": {"any_role": True}}
    config = from_document(document)
    own = request_for(config.credentials, derive(config.instance, NOW), "web")
    working = WorkingCredentials(NOW)
    working.config = lambda: config
    made_up = [
        msgspec.structs.replace(own, role_arn=f"arn:aws:iam::123456789012:role/r{number}") for number in range(1100)
    ]
    kept = [working.keep(each) for each in made_up]
    assert [isinstance(each, NotRefreshed) for each in kept] == [False] * 1024 + [True] * 76
    assert not isinstance(working.keep(own), NotRefreshed)
    assert not isinstance(working.keep(made_up[0]), NotRefreshed)


def test_a_container_that_did_not_ask_for_an_hour_has_its_credentials_fetched_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World([credentials(number, NOW + number * HOUR) for number in range(1, 9)], is_configured=False)

    async def run() -> None:
        pool = Pool(world.means())
        monkeypatch.setattr("imds_mock.run.working_credentials._pool", lambda *_: pool)
        working = WorkingCredentials(NOW)
        working.config = lambda: from_document({})
        kept = working.keep(ORDER)
        await working.first()
        await asyncio.gather(*pool._running.values())
        world.now += 2 * HOUR
        assert kept.held(world.now) is None
        await pool.settled(10)
        assert kept.held(world.now) is not None

    asyncio.run(run())


def test_the_start_does_not_wait_for_ever() -> None:
    world = World([])

    async def never(_order: CredentialRequest) -> Fetched:
        await asyncio.sleep(3600)
        raise AssertionError

    async def run() -> None:
        pool = Pool(Means(never, lambda: NOW, world.sleep, lambda: 0.0, world.said.append, lambda _: True))
        pool.keep(ORDER)
        pool.start()
        await pool.settled(0.01)

    asyncio.run(run())


def test_orders_follow_from_the_configuration() -> None:
    document = {
        "instance": {"region": "cn-north-1", "role": "web", "account_id": "012345678901"},
        "credentials": {"source": "assume-role", "session_name": "sn", "external_id": "ex", "duration_seconds": 900},
    }
    config = from_document(document)
    instance = derive(config.instance, NOW)
    order = request_for(config.credentials, instance, "web")
    assert order.role_arn == "arn:aws-cn:iam::012345678901:role/web"
    assert (order.region, order.session_name, order.external_id, order.duration_seconds) == (
        "cn-north-1",
        "sn",
        "ex",
        900,
    )
    assert order == request_for(from_document(document).credentials, instance, "web")
    by_default = from_document({"credentials": {"source": "assume-role"}})
    ids = ("i-00000000000000001", "i-00000000000000002")
    orders = [
        request_for(
            by_default.credentials, derive(msgspec.structs.replace(by_default.instance, instance_id=each), NOW), "web"
        )
        for each in ids
    ]
    assert tuple(each.session_name for each in orders) == ids
    named = from_document({"credentials": {"source": "assume-role", "role_arn": "arn:aws:iam::999999999999:role/a/b"}})
    instance = derive(named.instance, NOW)
    assert request_for(named.credentials, instance, "my-role").role_arn == "arn:aws:iam::999999999999:role/a/b"
    assert request_for(named.credentials, instance, "other").role_arn == "arn:aws:iam::123456789012:role/other"
    profile = from_document({"credentials": {"source": "profile", "profile": "dev", "session_name": "any"}})
    assert request_for(profile.credentials, instance, "a") == request_for(profile.credentials, instance, "b")


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"access_key_id": "AKIA1"}, "secret_access_key: is missing; access_key_id is nothing without it"),
        ({"session_token": "t"}, "access_key_id: is missing; session_token is nothing without it"),
        ({"access_key_id": "a", "secret_access_key": "b", "profile": "p"}, "profile: expected either a profile or an"),
        ({"role_arn": "web"}, "role_arn: expected an ARN such as arn:aws:iam::123456789012:role/web or null"),
        ({"endpoint_url": "http://user:pass@host"}, "endpoint_url: expected an address such as"),
        ({"duration_seconds": 60}, "duration_seconds: expected a number of seconds from 900 to 43200, got 60"),
        ({"session_name": "a b"}, "session_name: expected 2 to 64 letters"),
    ],
)
def test_settings_that_cannot_work(section: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"credentials.{sentence}"):
        from_document({"credentials": {"source": "assume-role", **section}})
