"""Announcements with a clock and a network that the test holds: what is limited, checked, kept and logged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.build.checks import check
from imds_mock.build.loading import from_document
from imds_mock.callers.caller import Announced
from imds_mock.service.responses import AnnouncementOutcome
from imds_mock.service.responses import announced as response_to
from imds_mock.state import announcing
from imds_mock.state.announcing import Announcer
from support.announcing import KEY, OTHER_KEY, announcement
from support.callers import FakeNetwork

if TYPE_CHECKING:
    from imds_mock.config.settings import Config

ROUTED, OTHER_ROUTED = "10.1.0.3", "10.1.0.4"
NEIGHBOUR = "172.18.0.5"
ACCEPTED, TOO_EARLY = AnnouncementOutcome(), AnnouncementOutcome(is_too_early=True)


class Announcing:
    """An announcer, the registry that it announces to, and what it has logged and checked."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        self.network = FakeNetwork(macs={NEIGHBOUR: "a6:00:00:00:00:05"})
        self.callers = self.network.registry()
        self.config = from_document(document or {})
        self.said: list[str] = []
        self.checked = 0
        self.announcer = Announcer(
            lambda: self.config, self._check, self.callers, self.said.append, lambda: self.network.now
        )

    def _check(self, config: Config) -> None:
        self.checked += 1
        check(config)

    def send(
        self, instance: str | None = None, name: str | None = None, source: str = ROUTED, key: str = KEY
    ) -> AnnouncementOutcome:
        """Announce as a shim does."""
        return self.announcer.announce(source, announcement(instance, name, key))

    def at(self, address: str = ROUTED) -> Announced | None:
        """What holds for an address."""
        return self.callers.announced_at(address)


def key(number: int) -> str:
    return f"{number:032x}"


def test_ten_different_announcements_at_once_and_then_one_each_second() -> None:
    mock = Announcing()
    outcomes = [mock.send(f"role=r{number}", key=key(number)) for number in range(11)]
    assert outcomes == [ACCEPTED] * 10 + [TOO_EARLY]
    mock.network.now += 0.5
    assert mock.send("role=x", key=key(11)) == TOO_EARLY
    mock.network.now += 0.5
    assert mock.send("role=x", key=key(12)) == ACCEPTED
    assert mock.send("role=y", key=key(13)) == TOO_EARLY
    mock.network.now += 1000
    outcomes = [mock.send(f"role=r{number}", key=key(number)) for number in range(11)]
    assert outcomes == [ACCEPTED] * 10 + [TOO_EARLY]


def test_what_is_in_force_may_be_repeated_without_limit_and_counts_for_nothing() -> None:
    mock = Announcing()
    assert [mock.send("role=a", key=key(number)) for number in range(50)] == [ACCEPTED] * 50
    assert mock.checked == 1
    assert [mock.send(f"role=r{number}", key=key(number)) for number in range(10)] == [ACCEPTED] * 9 + [TOO_EARLY]


def test_nothing_to_announce_is_never_too_early() -> None:
    mock = Announcing()
    assert [mock.send(key=key(number)) for number in range(50)] == [ACCEPTED] * 50


def test_a_check_leaves_no_trace() -> None:
    mock = Announcing()
    assert mock.send("role=a", key="check") == ACCEPTED
    assert mock.at() is None
    mock.send("role=a", key=KEY)
    mock.send("role=a", key="check")
    held = mock.callers.announcements.at(ROUTED)
    assert held is not None
    assert held.key == KEY
    # What was only checked is not in force, so it is no repetition.
    assert mock.send("role=b", key="check") == ACCEPTED
    assert mock.send("role=b", key=OTHER_KEY) == ACCEPTED
    assert mock.at() == Announced(None, '{"role": "b"}')


def test_the_limit_of_a_busy_address_outlives_those_that_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "_MAX_SENDERS", 4)
    mock = Announcing()
    for number in range(10):
        mock.send(f"role=r{number}", key=key(number))
    for number in range(50):
        assert mock.send("role=other", key=OTHER_KEY) == TOO_EARLY
        mock.send("role=a", source=f"10.2.0.{number}")
    assert len(mock.announcer._senders) == 4


def test_the_same_facts_in_another_order_and_form_are_the_same_announcement() -> None:
    async def run() -> None:
        mock = Announcing()
        assert mock.send("role=a,region=eu-west-1", source=NEIGHBOUR) == ACCEPTED
        assert mock.send('{"region": "eu-west-1", "role": "a"}', source=NEIGHBOUR, key=OTHER_KEY) == ACCEPTED
        assert mock.checked == 1
        assert "has announced something else" in str(mock.send("role=b", source=NEIGHBOUR, key=key(5)).refusal)
        await mock.callers.close()

    asyncio.run(run())


@pytest.mark.parametrize(("size", "is_accepted"), [(8192, True), (8193, False)])
def test_the_size_is_limited(size: int, *, is_accepted: bool) -> None:
    outcome = Announcing().send("user_data=".ljust(size, "x"))
    assert (outcome.refusal is None) == is_accepted


def test_facts_must_go_together_with_the_variants_of_their_container() -> None:
    variants = [{"match": {"address": ROUTED}, "instance": {"region": "eu-west-1"}}]
    mock = Announcing({"variants": variants})
    refusal = mock.send("availability_zone=us-east-1a").refusal
    assert refusal is not None
    assert refusal.startswith("MOCK_INSTANCE: availability_zone: us-east-1a is not in the region eu-west-1")
    assert mock.send("availability_zone=us-east-1a", source=OTHER_ROUTED) == ACCEPTED


def test_a_wrong_name_is_refused() -> None:
    assert str(Announcing().send(None, "a b").refusal).startswith("MOCK_INSTANCE_NAME: expected letters")


def test_off_accepts_a_name_and_keeps_nothing() -> None:
    mock = Announcing({"callers": {"announced": "off"}})
    assert mock.send(None, "worker") == ACCEPTED
    assert mock.at() is None
    assert mock.send("role=a", "worker").refusal == (
        "MOCK_INSTANCE: this mock accepts no announcements (callers.announced is off); remove MOCK_INSTANCE"
    )


def test_changes_and_refusals_are_logged_without_user_data() -> None:
    mock = Announcing()
    mock.send("role=a", "one")
    mock.send("role=a", "one")
    assert mock.said == []
    mock.send("user_data=hunter2", key=OTHER_KEY)
    before, after = """'{"role": "a"}'""", """'{"user_data": "(not shown)"}'"""
    sentence = f"the container at {ROUTED} announces {after}, before that MOCK_INSTANCE_NAME=one {before}"
    assert mock.said == [sentence]
    mock.send("rol=a", key=key(3))
    assert mock.said[1].startswith(f"refused what {ROUTED} announces: MOCK_INSTANCE: rol: unknown key")


def test_no_response_to_an_announcement_counts_as_a_request() -> None:
    outcomes = (ACCEPTED, TOO_EARLY, AnnouncementOutcome("no"))
    assert [(response_to("id", each, ROUTED).status, response_to("id", each, ROUTED).counted) for each in outcomes] == [
        (204, False),
        (503, False),
        (400, False),
    ]
    assert b"\r\nRetry-After: 1\r\n" in response_to("id", TOO_EARLY, ROUTED).head.leading_bytes


def test_a_long_refusal_is_cut_in_its_header_alone() -> None:
    response = response_to("id", AnnouncementOutcome("é" * 10_000), ROUTED)
    assert response.body.decode() == "é" * 10_000 + "\n"
    assert response.head.leading_bytes.count(b"%C3%A9") == 4096
