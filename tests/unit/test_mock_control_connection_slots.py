"""Which connections to the control plane get a slot, and which are dropped."""

from __future__ import annotations

from dataclasses import dataclass

from imds_mock.control.connection_slots import ConnectionSlots


@dataclass(eq=False)
class FakeConnection:
    """A connection that remembers whether it was dropped."""

    address: str
    dropped: bool = False

    def drop(self) -> None:
        self.dropped = True


def slots(count: int = 48) -> ConnectionSlots:
    return ConnectionSlots(count, lambda address: address == "127.0.0.1")


def arrive(at: ConnectionSlots, address: str) -> FakeConnection:
    connection = FakeConnection(address)
    at.add(connection)
    return connection


def test_many_other_peers_leave_the_reserved_slots_free() -> None:
    at = slots()
    crowd = [arrive(at, "172.18.0.9") for _ in range(1000)]
    assert sum(not each.dropped for each in crowd) == at.shared_count == 8
    near = [arrive(at, "127.0.0.1") for _ in range(41)]
    assert [each.dropped for each in near] == [False] * 40 + [True]


def test_the_address_with_the_most_connections_loses_its_oldest() -> None:
    at = slots()
    crowd = [arrive(at, "172.18.0.9") for _ in range(7)]
    other = arrive(at, "172.18.0.3")
    crowd += [arrive(at, "172.18.0.9") for _ in range(100)]
    assert not other.dropped
    assert [each.dropped for each in crowd] == [True] * 100 + [False] * 7


def test_a_client_with_access_keeps_its_slot() -> None:
    at = slots()
    client = arrive(at, "172.18.0.3")
    at.promote(client)
    for number in range(100):
        arrive(at, f"172.18.0.{number}")
    assert not client.dropped
    at.remove(client)
    assert [arrive(at, "127.0.0.1").dropped for _ in range(41)] == [False] * 40 + [True]


def test_without_a_free_reserved_slot_a_client_with_access_keeps_its_shared_one() -> None:
    at = slots(6)
    near = [arrive(at, "127.0.0.1") for _ in range(5)]
    client = arrive(at, "172.18.0.3")
    at.promote(client)
    assert not any(each.dropped for each in (*near, client))
    arrive(at, "172.18.0.3")
    assert client.dropped


def test_all_slots_of_the_unix_socket_are_reserved() -> None:
    at = ConnectionSlots(2, None)
    assert [arrive(at, "").dropped for _ in range(3)] == [False, False, True]
