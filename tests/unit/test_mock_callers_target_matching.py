"""Targets: the callers that they match, and the warnings about targets that match none or may miss some."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from imds_mock.callers.target_matching import match_target
from support.callers import FakeNetwork

if TYPE_CHECKING:
    from imds_mock.callers.target_matching import TargetMatch

BOTH_NETWORKS = ("172.18.0.2/16 169.254.169.254/16",)
LINK_LOCAL, ORDINARY = "169.254.100.1", "172.18.0.3"
WEB, DB = "9e:00:00:00:00:03", "9e:00:00:00:00:04"


def test_a_service_matches_each_replica_once_and_an_unknown_name_none() -> None:
    async def scenario() -> None:
        network = FakeNetwork(
            own_addresses=BOTH_NETWORKS,
            names={ORDINARY: "proj-web-1.proj_default", "172.18.0.4": "proj-web-2.proj_default"},
            hosts={"web": frozenset({ORDINARY, "172.18.0.4"})},
            macs={LINK_LOCAL: WEB, ORDINARY: WEB, "172.18.0.4": DB},
        )
        callers = network.registry()
        await callers.resolve_targets({"web", "wbe"})
        await callers.look_up({LINK_LOCAL, ORDINARY, "172.18.0.4"})
        assert [each.container for each in match_target(callers, "web").callers.values()] == [
            "proj-web-1",
            "proj-web-2",
        ]
        nothing = match_target(callers, "wbe")
        assert nothing.callers == {}
        assert nothing.warning is not None
        assert "Did you mean 'web'?" in nothing.warning

    asyncio.run(scenario())


def test_the_journal_keeps_the_names_of_a_container_until_another_has_its_address() -> None:
    async def scenario() -> None:
        network = FakeNetwork({ORDINARY: "proj-job-1.proj_default"})
        callers = network.registry()
        for network.now, name in ((0.0, "proj-job-1.proj_default"), (60.0, None), (120.0, "proj-new-1.proj_default")):
            network.names = {} if name is None else {ORDINARY: name}
            waiting = callers.identify(ORDINARY)
            assert waiting is not None
            await waiting
            expected = {0.0: (True, True, 1), 60.0: (False, True, 1), 120.0: (False, False, 0)}[network.now]
            matched = len(match_target(callers, "job", in_journal=True).callers)
            assert (callers.is_target(ORDINARY, "job"), callers.was_target(ORDINARY, "job"), matched) == expected

    asyncio.run(scenario())


def match(network: FakeNetwork, target: str, *requests: str) -> TargetMatch:
    """The callers that a target matches after requests from some addresses."""

    async def scenario() -> TargetMatch:
        callers = network.registry()
        for address in requests:
            ready = callers.identify(address)
            if ready is not None:
                await ready
        await callers.resolve_targets({target})
        return match_target(callers, target)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("target", "requests", "sentence"),
    [
        ("wbe", (ORDINARY,), "'wbe' matches no caller: no container or service has this name now. Did you mean 'web'?"),
        (
            "db",
            (ORDINARY,),
            "no container or service has this name now. `imds-mock ctl callers` lists the known callers",
        ),
        ("db", (LINK_LOCAL,), "use its address there; unnamed callers: 169.254.100.1"),
        (
            "10.9.9.9",
            (),
            "matches no caller: no container is known at 10.9.9.9, and no request has come from it",
        ),
    ],
)
def test_a_target_without_callers_has_a_warning(target: str, requests: tuple[str, ...], sentence: str) -> None:
    network = FakeNetwork({ORDINARY: "proj-web-1.proj_default"}, own_addresses=BOTH_NETWORKS)
    matched = match(network, target, *requests)
    assert matched.callers == {}
    assert sentence in str(matched.warning)


def test_a_name_whose_address_no_neighbour_has_may_miss_a_link_local_caller() -> None:
    network = FakeNetwork(hosts={"web": frozenset({"172.18.9.9"})}, own_addresses=BOTH_NETWORKS)
    assert match(network, "web").warning == (
        "'web' may miss requests from a link-local address: no neighbour of the mock has 172.18.9.9. "
        "Use the address under `link_local_ips` instead of the name"
    )


def test_a_name_may_miss_a_link_local_caller_that_is_not_linked() -> None:
    network = FakeNetwork(
        {ORDINARY: "proj-web-1.proj_default"},
        {"web": frozenset({ORDINARY})},
        own_addresses=BOTH_NETWORKS,
        macs={ORDINARY: WEB},
    )
    assert match(network, "web", LINK_LOCAL).warning == (
        "'web' may miss requests from a link-local address: the mock cannot compare the hardware addresses of both. "
        "Use the address under `link_local_ips` instead of the name, such as 169.254.100.1, which has sent requests"
    )
    assert match(network, "web", LINK_LOCAL, ORDINARY).warning is None, "a caller with this name has sent requests"
    assert match(network, ORDINARY, LINK_LOCAL).warning is None


def test_a_name_that_may_be_a_virtual_ip_has_a_warning() -> None:
    network = FakeNetwork(hosts={"web": frozenset({"172.18.9.9"})})
    warning = match(network, "web").warning
    assert warning is not None
    assert warning.startswith("'web' is 172.18.9.9, and no container is known there.")
    assert "an address of tasks.web" in warning
    network.names = {"172.18.9.9": "proj-web-1.proj_default"}
    assert match(network, "web", "172.18.9.9").warning is None


def test_a_name_whose_address_has_sent_requests_has_no_warning() -> None:
    assert match(FakeNetwork(hosts={"web": frozenset({"172.18.9.9"})}), "web", "172.18.9.9").warning is None
