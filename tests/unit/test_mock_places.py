"""Who gets a place on the control plane's listener, and how the limit of open files is shared between the planes."""

from __future__ import annotations

import resource
from dataclasses import dataclass

import pytest

from imds_mock.control.places import Places
from imds_mock.wire.descriptors import CONTROL_CONNECTIONS, OWN, shares


@dataclass(eq=False)
class Guest:
    """A connection that remembers whether it was dropped."""

    address: str
    dropped: bool = False

    def drop(self) -> None:
        self.dropped = True


def places(count: int = 48) -> Places:
    return Places(count, lambda address: address == "127.0.0.1")


def arrive(at: Places, address: str) -> Guest:
    guest = Guest(address)
    at.take(guest)
    return guest


def test_a_crowd_of_neighbors_leaves_the_near_places_free() -> None:
    at = places()
    crowd = [arrive(at, "172.18.0.9") for _ in range(1000)]
    assert sum(not each.dropped for each in crowd) == at.far_places == 8
    near = [arrive(at, "127.0.0.1") for _ in range(41)]
    assert [each.dropped for each in near] == [False] * 40 + [True]


def test_the_peer_with_the_most_places_loses_its_oldest() -> None:
    at = places()
    crowd = [arrive(at, "172.18.0.9") for _ in range(7)]
    other = arrive(at, "172.18.0.3")
    crowd += [arrive(at, "172.18.0.9") for _ in range(100)]
    assert not other.dropped
    assert [each.dropped for each in crowd] == [True] * 100 + [False] * 7


def test_a_client_with_access_keeps_its_place() -> None:
    at = places()
    client = arrive(at, "172.18.0.3")
    at.move_near(client)
    for number in range(100):
        arrive(at, f"172.18.0.{number}")
    assert not client.dropped
    at.leave(client)
    assert [arrive(at, "127.0.0.1").dropped for _ in range(41)] == [False] * 40 + [True]


def test_without_a_free_near_place_a_client_with_access_stays_among_the_others() -> None:
    at = places(6)
    near = [arrive(at, "127.0.0.1") for _ in range(5)]
    client = arrive(at, "172.18.0.3")
    at.move_near(client)
    assert not any(each.dropped for each in (*near, client))
    arrive(at, "172.18.0.3")
    assert client.dropped


def test_all_places_of_the_unix_socket_are_for_near_peers() -> None:
    at = Places(2, None)
    assert [arrive(at, "").dropped for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("limits", "wanted", "with_control", "data", "control", "raised"),
    [
        ((256, 1024), 4096, True, 1024 - OWN - 2 * CONTROL_CONNECTIONS, CONTROL_CONNECTIONS, 1024),
        ((256, 1024), 4096, False, 1024 - OWN, 0, 1024),
        ((256, 1024), 100, True, 100, CONTROL_CONNECTIONS, 256),
        ((64, 64), 4096, True, 24, 4, 64),
        ((64, 64), 4096, False, 32, 0, 64),
        ((40, 40), 4096, True, 4, 2, 40),
        ((20, 20), 4096, True, 1, 2, 20),
        ((256, resource.RLIM_INFINITY), 4096, True, 4096, CONTROL_CONNECTIONS, 4096 + OWN + 2 * CONTROL_CONNECTIONS),
        ((resource.RLIM_INFINITY,) * 2, 4096, True, 4096, CONTROL_CONNECTIONS, resource.RLIM_INFINITY),
    ],
)
def test_the_data_plane_comes_first(
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    wanted: int,
    with_control: bool,  # noqa: FBT001 - a table
    data: int,
    control: int,
    raised: int,
) -> None:
    now = [limits]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: now[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, new: now.append(new))
    for _ in range(2):  # both planes ask
        assert shares(wanted, with_control=with_control) == (data, control)
        assert now[-1] == (raised, limits[1])
