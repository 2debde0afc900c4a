"""Which address of the mock is used, and the message if none works."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from imds_shim.config import load
from imds_shim.errors import ConfigError, MockUnreachableError, ResolveError
from imds_shim.network.probe_result import ProbeResult
from imds_shim.network.search import Mock, find_mock
from support.fakes import CONTROL, MOCK_ONE, NGINX, OTHER_IMDS, FakeNetwork, Lines

FOUR, FIVE, SIX = ip_address("10.0.0.4"), ip_address("10.0.0.5"), ip_address("fd00::6")


@pytest.fixture
def network() -> FakeNetwork:
    made = FakeNetwork()
    made.names["mock"] = [FOUR]
    made.servers["10.0.0.4:80"] = MOCK_ONE
    return made


def search(network: FakeNetwork, seconds: float = 10, **settings: str) -> list[Mock]:
    environ = [f"{name}={value}".encode() for name, value in ({"MOCK_HOSTNAME": "mock"} | settings).items()]
    return find_mock(load([b"true"], environ), network, network.clock.deadline(seconds), Lines().log)


def test_the_mock_and_its_id(network: FakeNetwork) -> None:
    assert search(network) == [Mock(FOUR, 80, "one")]


def test_the_first_address_that_answers_as_an_imds(network: FakeNetwork) -> None:
    network.names["mock"] = [ip_address("10.0.0.2"), FIVE, FOUR]
    network.servers["10.0.0.5:80"] = NGINX
    assert search(network) == [Mock(FOUR, 80, "one")]
    assert network.probed == ["10.0.0.2:80", "10.0.0.5:80", "10.0.0.4:80"]


def test_a_silent_address_leaves_time_for_the_others(network: FakeNetwork) -> None:
    network.names["mock"] = [FIVE, FOUR]
    network.servers["10.0.0.5:80"] = "accepts the connection but does not answer"
    assert search(network, seconds=1) == [Mock(FOUR, 80, "one")]


def test_a_name_that_appears_only_later(network: FakeNetwork) -> None:
    del network.names["mock"]

    def appear(seconds: float) -> None:
        network.clock.now += seconds
        if network.clock.now > 1004:
            network.names["mock"] = [FOUR]

    network.sleep = appear  # type: ignore[method-assign]
    assert search(network) == [Mock(FOUR, 80, "one")]


def test_503_first_and_then_the_mock(network: FakeNetwork) -> None:
    answers = [ProbeResult("other", None, "503 Service Unavailable")] * 3
    network.servers["10.0.0.4:80"] = lambda: answers.pop() if answers else MOCK_ONE
    assert search(network) == [Mock(FOUR, 80, "one")]


def test_another_imds_is_accepted(network: FakeNetwork) -> None:
    network.servers["10.0.0.4:80"] = OTHER_IMDS
    assert search(network) == [Mock(FOUR, 80, None)]


def test_another_server_is_named(network: FakeNetwork) -> None:
    network.servers["10.0.0.4:80"] = NGINX
    with pytest.raises(
        MockUnreachableError, match=r"10\.0\.0\.4:80 is not an IMDS: it answers 404 Not Found \(Server: ngi"
    ):
        search(network)


def test_the_reason_of_every_address_is_named(network: FakeNetwork) -> None:
    network.names["mock"] = [FIVE, FOUR]
    network.servers |= {"10.0.0.5:80": "cannot be reached (No route to host)", "10.0.0.4:80": NGINX}
    with pytest.raises(MockUnreachableError) as caught:
        search(network)
    assert "10.0.0.5:80 cannot be reached (No route to host), 10.0.0.4:80 is not an IMDS" in str(caught.value)
    assert "MOCK_PORT" in str(caught.value)


def test_the_control_port_ends_the_start_at_once(network: FakeNetwork) -> None:
    network.servers["10.0.0.4:1339"] = CONTROL
    with pytest.raises(ConfigError, match="MOCK_PORT=1339 is the mock's control port") as caught:
        search(network, MOCK_PORT="1339")
    assert "set MOCK_PORT to the port of its metadata service, by default 80" in str(caught.value)
    assert network.clock.now == 1000


def test_of_two_addresses_one_may_be_a_control_port(network: FakeNetwork) -> None:
    network.names["mock"] = [FIVE, FOUR]
    network.servers |= {"10.0.0.5:1339": CONTROL, "10.0.0.4:1339": MOCK_ONE}
    assert search(network, MOCK_PORT="1339") == [Mock(FOUR, 1339, "one")]


def test_the_default_control_port_gets_a_hint(network: FakeNetwork) -> None:
    with pytest.raises(MockUnreachableError, match="MOCK_PORT=1339 is the default of the mock's control port"):
        search(network, MOCK_PORT="1339")


def test_a_name_that_never_resolves(network: FakeNetwork) -> None:
    with pytest.raises(ResolveError, match=r"^nobody had no usable address within 10 s .* NXDOMAIN .* MOCK_HOSTNAME"):
        search(network, MOCK_HOSTNAME="nobody")


def test_ipv6_is_used_only_without_ipv4(network: FakeNetwork) -> None:
    network.names["mock"] = [FOUR, SIX]
    network.servers |= {"10.0.0.4:80": "refuses the connection", "fd00::6:80": MOCK_ONE}
    with pytest.raises(MockUnreachableError):
        search(network)
    network.names["mock"] = [SIX]
    assert search(network) == [Mock(SIX, 80, "one")]


def test_with_ipv6_both_ip_versions_are_found(network: FakeNetwork) -> None:
    network.names["mock"] = [FOUR, SIX]
    network.servers["fd00::6:80"] = MOCK_ONE
    assert search(network, MOCK_IPV6="1") == [Mock(FOUR, 80, "one"), Mock(SIX, 80, "one")]


def test_with_ipv6_an_ipv6_address_is_required(network: FakeNetwork) -> None:
    with pytest.raises(
        ResolveError, match=r"MOCK_IPV6=1 needs an IPv6 address of the mock, but mock has only 10\.0\.0\.4"
    ):
        search(network, MOCK_IPV6="1")


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254"])
@pytest.mark.parametrize("route", ["auto", "nat", "route"])
def test_a_name_that_resolves_to_the_endpoint_is_rejected(network: FakeNetwork, address: str, route: str) -> None:
    network.names["mock"] = [ip_address(address)]
    with pytest.raises(ConfigError, match="the address being redirected"):
        search(network, MOCK_ROUTE=route)
    assert network.probed == []


ACCEPTS = ProbeResult("mock", "one", "imds-mock one", accepts=True)


def test_the_search_announces(network: FakeNetwork) -> None:
    network.servers["10.0.0.4:80"] = ACCEPTS
    assert search(network, MOCK_INSTANCE="role=a") == [Mock(FOUR, 80, "one", accepts=True)]
    assert network.announced == ["10.0.0.4:80"]


@pytest.mark.parametrize("settings", [{"MOCK_INSTANCE": "rol=a"}, {"MOCK_INSTANCE_NAME": "-"}])
def test_a_refusal_ends_the_start_with_the_sentence_of_the_mock(network: FakeNetwork, settings: dict[str, Any]) -> None:
    refused = ProbeResult("mock", "one", "imds-mock one", refusal="MOCK_INSTANCE: rol: unknown key; did you mean role?")
    network.servers["10.0.0.4:80"] = refused
    with pytest.raises(ConfigError, match="did you mean role") as caught:
        search(network, **settings)
    assert caught.value.exit_code == 78
    assert network.probed == ["10.0.0.4:80"]


def test_a_refusal_does_not_matter_to_a_container_that_announces_nothing(network: FakeNetwork) -> None:
    network.servers["10.0.0.4:80"] = ProbeResult("mock", "one", "imds-mock one", refusal="cannot be read")
    assert search(network) == [Mock(FOUR, 80, "one")]


@pytest.mark.parametrize("server", [MOCK_ONE, OTHER_IMDS])
def test_an_instance_needs_a_mock_that_knows_announcements(network: FakeNetwork, server: ProbeResult) -> None:
    network.servers["10.0.0.4:80"] = server
    with pytest.raises(ConfigError, match="MOCK_INSTANCE needs an imds-mock that knows announcements"):
        search(network, MOCK_INSTANCE="role=a")
    assert search(network, MOCK_INSTANCE_NAME="worker")[0].accepts is False


def test_each_attempt_waits_longer_up_to_10_seconds(network: FakeNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def announce(_address: Any, _port: int, deadline: Any) -> ProbeResult:
        waited.append(round(deadline.remaining(), 3))
        if len(waited) < 12:
            return ProbeResult("other", None, "503 Service Unavailable")
        return MOCK_ONE

    monkeypatch.setattr(network, "announce", announce)
    assert search(network, seconds=600) == [Mock(FOUR, 80, "one")]
    assert waited == [*range(2, 11), 10, 10, 10]
