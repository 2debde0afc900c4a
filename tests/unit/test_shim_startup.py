"""The order of the steps: what is set, verified, and undone if a start fails."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest

from imds_shim.config import load
from imds_shim.errors import ConfigError, KernelRefusedError, PrivilegeError, ResolveError, ShimError, WrongMockError
from imds_shim.nat.rule import DnatRule
from imds_shim.network.probe_result import ProbeResult
from imds_shim.startup import Start
from support.fakes import MOCK_ONE, MOCK_TWO, NGINX, OTHER_IMDS, FakeKernel, FakeNetwork, Lines

FOUR, SIX = ip_address("10.0.0.4"), ip_address("fd00::6")
V4, V6 = "169.254.169.254:80", "fd00:ec2::254:80"
RULE = DnatRule(ip_address("169.254.169.254"), 80, FOUR, 8080)
RULE_V6 = DnatRule(ip_address("fd00:ec2::254"), 80, SIX, 8080)


class Stage:
    """A mock at 10.0.0.4:8080 and fd00::6:8080, and a kernel whose rules take effect."""

    def __init__(self) -> None:
        self.network = FakeNetwork()
        self.network.names["mock"] = [FOUR]
        self.network.servers |= {"10.0.0.4:8080": MOCK_ONE, "fd00::6:8080": MOCK_ONE}
        self.kernel = FakeKernel(self._take_effect)
        self.lines = Lines()
        self.rules_work = True
        self.works_in = "legacy, nft"

    def _take_effect(self, kernel: FakeKernel) -> None:
        for rule in (
            rule for table in kernel.tables if table.name in self.works_in.split(", ") for rule in table.rules
        ):
            if self.rules_work:
                there = self.network.servers[f"{rule.to_address}:{rule.to_port}"]
                self.network.servers[f"{rule.destination}:{rule.destination_port}"] = there

    def start(self, seconds: float = 10, **settings: str) -> None:
        """Start, and undo a failed start as `cli` does."""
        wanted = {"MOCK_HOSTNAME": "mock", "MOCK_PORT": "8080"} | settings
        config = load([b"true"], [f"{name}={value}".encode() for name, value in wanted.items()])
        with contextlib.ExitStack() as undo:
            Start(config, self.network, self.kernel, undo, self.lines.log).run(self.network.clock.deadline(seconds))
            undo.pop_all()

    @property
    def rules(self) -> list[DnatRule]:
        return [*self.kernel.tables[0].rules, *self.kernel.tables[1].rules]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_start_sets_rule_and_route_verifies_and_logs_one_line(stage: Stage) -> None:
    stage.start()
    assert stage.rules == [RULE]
    assert stage.kernel.routes == [("169.254.169.254", "10.0.0.4", False)]
    assert stage.network.probed == ["10.0.0.4:8080", V4]
    assert stage.lines.lines[-1] == "169.254.169.254:80 -> 10.0.0.4:8080 (mock)"


def test_the_endpoint_is_not_probed_before_the_rule_is_set(stage: Stage) -> None:
    """Without the rule, a packet could reach a cloud host's real service."""
    stage.kernel.refusal = PrivilegeError("add cap_add: [NET_ADMIN]")
    with pytest.raises(PrivilegeError):
        stage.start()
    assert V4 not in stage.network.probed


@pytest.mark.parametrize("route", ["auto", "nat", "route"])
@pytest.mark.parametrize("refusal", [PrivilegeError("add cap_add"), KernelRefusedError("no NAT table")])
def test_a_missing_permission_is_reported_before_the_wait(stage: Stage, route: str, refusal: ShimError) -> None:
    stage.kernel.refusal = refusal
    stage.network.servers.clear()
    with pytest.raises(type(refusal), match=str(refusal)):
        stage.start(MOCK_ROUTE=route)
    assert stage.network.probed == []
    assert stage.network.clock.now == 1000


@pytest.mark.parametrize(
    ("route", "on_link", "has_own_route"), [("auto", True, False), ("route", True, True), ("none", False, False)]
)
def test_a_missing_permission_that_may_not_matter_does_not_prevent_the_wait(
    stage: Stage,
    route: str,
    on_link: bool,  # noqa: FBT001 - a table
    has_own_route: bool,  # noqa: FBT001 - a table
) -> None:
    stage.kernel.refusal = PrivilegeError("add cap_add")
    stage.kernel.on_link, stage.kernel.has_own_route = on_link, has_own_route
    there = ProbeResult("mock", "one", "imds-mock one")
    stage.network.servers |= {V4: there, "10.0.0.4:8080": there}
    stage.start(MOCK_ROUTE=route)
    assert "10.0.0.4:8080" in stage.network.probed


def test_two_starts_make_one_rule(stage: Stage) -> None:
    stage.start()
    stage.start()
    assert stage.rules == [RULE]


def test_a_moved_mock_replaces_the_rule_in_one_transaction(stage: Stage) -> None:
    stage.start()
    stage.network.names["mock"] = [ip_address("10.0.0.9")]
    stage.network.servers["10.0.0.9:8080"] = MOCK_TWO
    stage.start()
    assert [len(after) for after in stage.kernel.tables[0].history] == [1, 1]
    assert stage.rules == [DnatRule(RULE.destination, 80, ip_address("10.0.0.9"), 8080)]


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (MOCK_TWO, "does not reach 10.0.0.4:8080, but another server: imds-mock two"),
        (OTHER_IMDS, r"but another server: 200 OK \(Server: EC2ws\)"),
        (NGINX, r"but another server: 404 Not Found \(Server: nginx\)"),
        (ProbeResult("other", None, "403 connecting to 169.254.169.254:80"), "but another server: 403 connecting"),
        ("refuses the connection", "does not reach 10.0.0.4:8080: it refuses the connection"),
    ],
)
def test_another_server_at_the_endpoint_fails_the_start_and_undoes_it(
    stage: Stage, there: ProbeResult | str, words: str
) -> None:
    stage.rules_work = False
    stage.network.servers[V4] = there
    with pytest.raises(WrongMockError, match=words) as caught:
        stage.start()
    assert "--doctor" in str(caught.value)
    assert stage.rules == []
    assert stage.kernel.routes == []


def test_a_failed_start_leaves_an_earlier_rule_as_it_was(stage: Stage) -> None:
    stage.start()
    stage.network.names["mock"] = [ip_address("10.0.0.9")]
    stage.network.servers |= {"10.0.0.9:8080": MOCK_TWO, V4: NGINX}
    stage.rules_work = False
    with pytest.raises(WrongMockError):
        stage.start()
    assert stage.rules == [RULE]


def test_a_mock_that_was_restarted_meanwhile_is_accepted(stage: Stage) -> None:
    answers = [MOCK_ONE]
    stage.network.servers["10.0.0.4:8080"] = lambda: answers.pop() if answers else MOCK_TWO
    stage.start()
    assert stage.rules == [RULE]


def test_verification_is_retried(stage: Stage) -> None:
    stage.rules_work = False
    reasons = ["does not answer the connection attempt", "refuses the connection"]
    stage.network.servers[V4] = lambda: reasons.pop() if reasons else MOCK_ONE
    stage.start()
    assert stage.rules == [RULE]


def test_verification_keeps_the_deadline(stage: Stage) -> None:
    stage.rules_work = False
    stage.network.servers[V4] = "accepts the connection but does not answer"
    began = stage.network.clock.now
    with pytest.raises(WrongMockError):
        stage.start(seconds=3)
    assert stage.network.clock.now - began <= 3.5


def test_another_imds_is_accepted_with_a_warning(stage: Stage) -> None:
    stage.network.servers["10.0.0.4:8080"] = OTHER_IMDS
    stage.start()
    assert stage.lines.lines[-2].startswith(
        "warning: cannot verify that 169.254.169.254:80 reaches 10.0.0.4:8080: an IMDS answers there (200 OK"
    )
    assert stage.lines.lines[-2].endswith("does not identify itself")


def test_another_server_does_not_verify_another_imds(stage: Stage) -> None:
    """Neither server has an id, so only their responses differ."""
    stage.rules_work = False
    stage.network.servers |= {"10.0.0.4:8080": OTHER_IMDS, V4: NGINX}
    with pytest.raises(WrongMockError, match=r"does not reach 10\.0\.0\.4:8080, but another server: 404 Not Found"):
        stage.start()


def test_auto_probes_an_on_link_endpoint_first(stage: Stage) -> None:
    stage.kernel.on_link = True
    stage.network.servers[V4] = MOCK_ONE
    stage.start()
    assert (stage.rules, stage.kernel.routes) == ([], [])


@pytest.mark.parametrize("there", [MOCK_TWO, NGINX, "refuses the connection"])
def test_auto_sets_the_rule_if_another_server_is_on_link(stage: Stage, there: ProbeResult | str) -> None:
    stage.kernel.on_link = True
    stage.network.servers[V4] = there
    stage.start()
    assert stage.rules == [RULE]


def test_auto_does_not_accept_an_imds_without_id_as_the_mock(stage: Stage) -> None:
    stage.kernel.on_link = True
    stage.network.servers |= {"10.0.0.4:8080": OTHER_IMDS, V4: OTHER_IMDS}
    stage.start()
    assert stage.rules == [RULE]


def test_nat_does_not_probe_first(stage: Stage) -> None:
    stage.kernel.on_link = True
    stage.network.servers[V4] = MOCK_ONE
    stage.start(MOCK_ROUTE="nat")
    assert stage.rules == [RULE]


def test_route_mode_sets_an_on_link_route_without_a_rule(stage: Stage) -> None:
    stage.network.servers[V4] = MOCK_ONE
    stage.start(MOCK_ROUTE="route")
    assert stage.rules == []
    assert stage.kernel.routes == [("169.254.169.254", "10.0.0.4", True)]


@pytest.mark.parametrize(("route", "words"), [("none", "changes nothing"), ("route", "link_local_ips")])
def test_the_advice_depends_on_the_route_mode(stage: Stage, route: str, words: str) -> None:
    with pytest.raises(WrongMockError, match=words):
        stage.start(MOCK_ROUTE=route)
    assert stage.kernel.routes == []


def test_an_error_names_the_route_that_refuses_packets(stage: Stage) -> None:
    stage.kernel.refusing = "the route blackhole 169.254.169.254/32"
    with pytest.raises(
        WrongMockError, match=r"because the route blackhole 169\.254\.169\.254/32 refuses.*MOCK_ROUTE=none"
    ):
        stage.start(MOCK_ROUTE="none")


def test_none_mode_changes_nothing_but_verifies(stage: Stage) -> None:
    stage.network.servers[V4] = MOCK_ONE
    stage.start(MOCK_ROUTE="none")
    assert (stage.rules, stage.kernel.routes) == ([], [])


def test_ipv6_gets_a_rule(stage: Stage) -> None:
    stage.network.names["mock"] = [FOUR, SIX]
    stage.start(MOCK_IPV6="1")
    assert stage.rules == [RULE_V6, RULE]
    assert stage.lines.lines[-1] == "[fd00:ec2::254]:80 -> [fd00::6]:8080 (mock)"


ECS, EKS, EKS_V6 = map(ip_address, ("169.254.170.2", "169.254.170.23", "fd00:ec2::23"))


def test_every_service_gets_a_rule_a_route_and_a_verification(stage: Stage) -> None:
    stage.network.names["mock"] = [FOUR, SIX]
    stage.start(MOCK_ENDPOINTS="ec2,ecs,eks", MOCK_IPV6="1")
    wanted = [
        (RULE.destination, FOUR),
        (ECS, FOUR),
        (EKS, FOUR),
        (RULE_V6.destination, SIX),
        (EKS_V6, SIX),
    ]
    assert stage.rules == [DnatRule(endpoint, 80, mock, 8080) for endpoint, mock in reversed(wanted)]
    assert stage.kernel.routes == [(str(endpoint), str(mock), False) for endpoint, mock in wanted]
    assert stage.network.probed[2:] == [f"{endpoint}:80" for endpoint, _ in wanted]
    assert stage.lines.lines[-1] == "[fd00:ec2::23]:80 -> [fd00::6]:8080 (mock)"
    assert [line for line in stage.lines.lines if line.startswith("169.254.170.2:80 -> ")] != []


def test_only_configured_services_are_redirected(stage: Stage) -> None:
    stage.start(MOCK_ENDPOINTS="ecs")
    assert stage.rules == [DnatRule(ECS, 80, FOUR, 8080)]
    assert V4 not in stage.network.probed


def test_another_imds_cannot_verify_the_other_services(stage: Stage) -> None:
    stage.network.servers["10.0.0.4:8080"] = OTHER_IMDS
    stage.start(MOCK_ENDPOINTS="ec2,eks")
    assert stage.rules == [DnatRule(EKS, 80, FOUR, 8080), RULE]
    assert f"{EKS}:80" not in stage.network.probed
    lines = [line for line in stage.lines.lines if "cannot verify" in line]
    reaches = "warning: cannot verify that {} reaches 10.0.0.4:8080: {}"
    assert lines[0].startswith(reaches.format(V4, "an IMDS answers there (200 OK (Server: EC2ws))"))
    assert lines[1:] == [reaches.format("169.254.170.23:80", "this IMDS does not identify itself")]


def test_one_failed_service_undoes_all(stage: Stage) -> None:
    stage.rules_work = False
    stage.network.servers |= {V4: MOCK_ONE, "169.254.170.2:80": NGINX}
    with pytest.raises(WrongMockError, match=r"169\.254\.170\.2:80 does not reach .*, but another server: 404"):
        stage.start(MOCK_ENDPOINTS="ec2,ecs")
    assert stage.rules == []


def test_route_mode_sets_a_route_for_every_service(stage: Stage) -> None:
    stage.network.servers |= {V4: MOCK_ONE, f"{ECS}:80": MOCK_ONE}
    stage.start(MOCK_ROUTE="route", MOCK_ENDPOINTS="ec2,ecs")
    assert stage.rules == []
    assert stage.kernel.routes == [("169.254.169.254", "10.0.0.4", True), ("169.254.170.2", "10.0.0.4", True)]


def test_a_failure_of_ipv6_undoes_ipv4(stage: Stage) -> None:
    stage.network.names["mock"] = [FOUR, SIX]
    stage.rules_work = False
    stage.network.servers |= {V4: MOCK_ONE, V6: NGINX}
    with pytest.raises(WrongMockError, match=r"\[fd00:ec2::254\]:80"):
        stage.start(MOCK_IPV6="1")
    assert stage.rules == []


def test_an_ipv6_only_mock_serves_the_ipv6_endpoint(stage: Stage) -> None:
    stage.network.names["mock"] = [SIX]
    stage.start(MOCK_IPV6="1")
    assert stage.rules == [RULE_V6]
    assert stage.lines.lines[-1] == "warning: 169.254.169.254 is not redirected, because mock has no IPv4 address"


def test_an_ipv6_only_mock_without_the_setting_names_it(stage: Stage) -> None:
    stage.network.names["mock"] = [SIX]
    with pytest.raises(ResolveError, match=r"only IPv6 addresses \(fd00::6\).*MOCK_IPV6=1"):
        stage.start()


def test_rules_without_effect_move_to_the_other_back_end(stage: Stage) -> None:
    """All rules of a start are in one back end; the route stays for the second attempt."""
    stage.network.names["mock"] = [FOUR, SIX]
    stage.works_in = "nft"
    stage.start(MOCK_IPV6="1")
    assert stage.kernel.tables[0].rules == []
    assert stage.kernel.tables[1].rules == [RULE_V6, RULE]
    (warning,) = [line for line in stage.lines.lines if line.startswith("warning: ")]
    assert "does not reach 10.0.0.4:8080: it refuses the connection" in warning
    assert warning.endswith("with a rule in the legacy nat table; trying nft")


def test_the_new_rule_is_set_before_the_old_one_is_removed(stage: Stage) -> None:
    stage.works_in = "nft"
    stage.start()
    assert stage.kernel.tables[0].history == [(RULE,), ()]
    assert stage.kernel.tables[1].history == [(RULE,)]


def test_a_back_end_that_ignores_the_rule_is_not_used(stage: Stage) -> None:
    stage.kernel.tables[0].ignores = True
    stage.start()
    assert stage.kernel.tables[1].rules == [RULE]


def test_an_error_names_both_back_ends(stage: Stage) -> None:
    stage.works_in = ""
    with pytest.raises(WrongMockError, match=r"neither NAT back end.*\(legacy and nft: .*refuses.*\); .*--doctor"):
        stage.start()
    assert (stage.rules, stage.kernel.routes) == ([], [])


def test_a_failure_in_both_back_ends_keeps_an_earlier_rule(stage: Stage) -> None:
    earlier = DnatRule(RULE.destination, 80, ip_address("10.0.0.9"), 8080)
    stage.kernel.tables[1].rules = [earlier]
    stage.works_in = ""
    with pytest.raises(WrongMockError):
        stage.start()
    assert stage.kernel.tables[0].rules == []
    assert stage.kernel.tables[1].rules == [earlier]


@pytest.mark.parametrize(("backend", "other"), [("legacy", "nft"), ("nft", "legacy")])
def test_a_configured_back_end_is_the_only_one_used(stage: Stage, backend: str, other: str) -> None:
    stage.works_in = other
    with pytest.raises(WrongMockError, match=f"MOCK_BACKEND=auto also tries {other}"):
        stage.start(MOCK_BACKEND=backend)
    assert stage.rules == []


def test_both_attempts_keep_the_deadline(stage: Stage) -> None:
    stage.works_in = ""
    stage.network.servers[V4] = "accepts the connection but does not answer"
    began = stage.network.clock.now
    with pytest.raises(WrongMockError, match="neither"):
        stage.start(seconds=3)
    assert stage.network.clock.now - began <= 3.5


def test_a_kernel_refusal_leaves_nothing(stage: Stage) -> None:
    for table in stage.kernel.tables:
        table.refuses = True
    with pytest.raises(KernelRefusedError) as caught:
        stage.start()
    assert isinstance(caught.value, ShimError)
    assert (stage.rules, stage.kernel.routes) == ([], [])


ACCEPTS = ProbeResult("mock", "one", "imds-mock one", accepts=True)
REFUSES = ProbeResult("mock", "one", "imds-mock one", refusal="MOCK_INSTANCE: rol: unknown key; did you mean role?")


def test_the_probe_that_is_sent_anyway_announces_and_that_through_the_rule_does_not(stage: Stage) -> None:
    stage.network.servers["10.0.0.4:8080"] = ACCEPTS
    stage.start(MOCK_INSTANCE="role=a")
    assert stage.network.probed == ["10.0.0.4:8080", V4]
    assert stage.network.announced == ["10.0.0.4:8080"]


def test_a_refused_announcement_ends_the_start_before_a_rule_is_set(stage: Stage) -> None:
    stage.network.servers["10.0.0.4:8080"] = REFUSES
    with pytest.raises(ConfigError, match="did you mean role"):
        stage.start(MOCK_INSTANCE="rol=a")
    assert stage.rules == []


def test_without_a_rule_the_address_that_the_application_sends_from_is_announced_too(stage: Stage) -> None:
    stage.network.servers |= {"10.0.0.4:8080": ACCEPTS, V4: ACCEPTS}
    stage.start(MOCK_ROUTE="none", MOCK_INSTANCE_NAME="worker")
    assert stage.network.announced == ["10.0.0.4:8080", V4]
    stage.network.announced.clear()
    stage.start(MOCK_ROUTE="none")
    assert stage.network.announced == ["10.0.0.4:8080"]


def test_a_name_that_an_older_mock_ignores_is_a_warning(stage: Stage) -> None:
    stage.start(MOCK_INSTANCE_NAME="worker")
    assert (
        "warning: MOCK_INSTANCE_NAME has no effect, because the mock does not know announcements" in stage.lines.lines
    )


def test_a_container_that_the_mock_sees_as_another_address_is_warned(stage: Stage) -> None:
    stage.network.servers["10.0.0.4:8080"] = ProbeResult("mock", "one", "imds-mock one", True, "", "10.244.0.1")
    stage.start(MOCK_INSTANCE="role=a")
    (warning,) = [line for line in stage.lines.lines if line.startswith("warning: ")]
    assert warning == (
        "warning: the mock sees this container as 10.244.0.1, which is not its own address, because a router or proxy "
        "that translates addresses is in between; all containers behind that address are one instance, and what one of "
        "them announces holds for all"
    )
    stage.lines.lines.clear()
    stage.start()
    assert not [line for line in stage.lines.lines if line.startswith("warning: ")]
