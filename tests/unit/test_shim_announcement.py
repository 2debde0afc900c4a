"""What the shim announces: one key for each start, and text that the mock can decode."""

from __future__ import annotations

import base64

import pytest

from imds_shim.announcement import Announcement, announcement_of
from imds_shim.config import load

KEY = "0" * 32


def announcement(*entries: str, argv: tuple[bytes, ...] = (b"true",)) -> Announcement:
    """The announcement of a start with these variables."""
    return announcement_of(load(argv, [b"MOCK_HOSTNAME=mock", *(entry.encode() for entry in entries)]))


def decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


def test_each_start_has_a_key_of_its_own() -> None:
    one, other = announcement(), announcement()
    assert one.key != other.key
    assert (len(one.key), int(one.key, 16) > 0) == (32, True)


def test_a_start_without_settings_announces_its_key_alone() -> None:
    assert Announcement(KEY).header() == f"{KEY} - -"
    made = announcement()
    assert made.header() == f"{made.key} - -"


@pytest.mark.parametrize("text", ["a", "ab", "abc", "ÿ?>~ÿ", "role=wörker\n", "~~~???" * 1000])
def test_the_mock_can_decode_it(text: str) -> None:
    key, name, facts = Announcement(KEY, "worker-1", text).header().split(" ")
    assert (key, decoded(name), decoded(facts)) == (KEY, "worker-1", text)
    assert set("+/=").isdisjoint(name + facts)


def test_settings_are_announced_as_they_are_written() -> None:
    made = announcement('MOCK_INSTANCE=role=a,tags.N="x, y"', "MOCK_INSTANCE_NAME=worker-1")
    assert (made.instance, made.name) == ('role=a,tags.N="x, y"', "worker-1")


def test_the_doctor_only_checks() -> None:
    assert announcement("MOCK_INSTANCE=role=a", argv=(b"--doctor",)).header().startswith("check - ")
