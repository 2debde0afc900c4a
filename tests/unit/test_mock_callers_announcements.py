"""Announcements as values: which one is a caller's, and what its hardware address and name tell."""

from __future__ import annotations

from imds_mock.callers.announcements import Announcement, Announcements
from imds_mock.callers.caller import Announced, Caller, Interface

KEY, OTHER_KEY = "0" * 32, "1" * 32
WORKER = Announced("worker", '{"role": "worker-role"}')
ADMIN = Announced(None, '{"role": "admin"}')
RANDOM = "a6:00:00:00:00:05"
HERE, THERE, ELSEWHERE = "172.18.0.5", "172.18.0.6", "172.18.0.7"


def held(*announced: tuple[str, Announcement]) -> Announcements:
    """Announcements that are in force."""
    kept = Announcements(lambda _addresses: ())
    for address, each in announced:
        assert kept.put(address, each)
    return kept


def caller(address: str, mac: str | None = None, container: str | None = None) -> Caller:
    """A caller at one address."""
    return Caller(container or address, (address,), container, interfaces=(Interface(address, mac=mac),))


def test_the_announcement_of_an_address_is_preferred_to_that_of_its_hardware_address() -> None:
    kept = held((HERE, Announcement(KEY, WORKER)), (THERE, Announcement(OTHER_KEY, ADMIN, RANDOM)))
    assert kept.applied_to(caller(HERE, RANDOM), {}).announced == WORKER
    assert kept.applied_to(caller(ELSEWHERE, RANDOM), {}).announced == ADMIN


def test_a_hardware_address_leads_to_the_address_that_announced_last() -> None:
    announcement = Announcement(KEY, WORKER, RANDOM)
    kept = held((HERE, announcement), (THERE, announcement))
    kept.drop(HERE)
    assert kept.applied_to(caller(ELSEWHERE, RANDOM), {}).announced == WORKER
    kept.drop(THERE)
    assert kept.applied_to(caller(ELSEWHERE, RANDOM), {}).announced is None


def test_another_container_with_the_same_hardware_address_takes_nothing_away() -> None:
    announcement = Announcement(KEY, WORKER, RANDOM, "one")
    kept = held((HERE, announcement))
    assert kept.applied_to(caller(THERE, RANDOM, "two"), {}).announced is None
    assert kept.at(HERE) == announcement
    assert kept.applied_to(caller(HERE, RANDOM, "two"), {}).announced is None
    assert kept.at(HERE) is None


def test_the_name_of_a_container_is_noted_once() -> None:
    kept = held((HERE, Announcement(KEY, WORKER)))
    kept.bind((HERE, THERE), "one")
    kept.bind((HERE,), "two")
    assert kept.at(HERE) == Announcement(KEY, WORKER, None, "one")
