"""The doctor's report, on containers with one problem each."""

from __future__ import annotations

import errno
import os
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from imds_shim.capabilities import NUMBERS, CapabilitySets, how_to_grant
from imds_shim.deadline import Deadline
from imds_shim.doctor import Dependencies, examine
from imds_shim.errors import KernelRefusedError, OutputClosedError, PrivilegeError, ShimError
from imds_shim.exec.accounts import Account
from imds_shim.exec.privileges import Plan
from support.fakes import MOCK_ONE, MOCK_TWO, NGINX, OTHER_IMDS, FakeKernel, FakeNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_shim.config import ShimConfig

V4 = "169.254.169.254:80"
EVERYTHING = (1 << len(NUMBERS)) - 1


class Container:
    """A container in which a start works until a test breaks something."""

    def __init__(self) -> None:
        self.network = FakeNetwork()
        self.network.names["mock"] = [ip_address("10.0.0.4")]
        self.network.servers |= {"10.0.0.4:80": MOCK_ONE, V4: MOCK_ONE}
        self.kernel = FakeKernel()
        self.sets = CapabilitySets(0, EVERYTHING, EVERYTHING, EVERYTHING, 0)
        self.backends: dict[str, ShimError] = {}
        self.plan_failure: ShimError | None = None
        self.account: Account | None = None
        self.emulated: str | None = None
        self.route_failure: OSError | None = None
        self.lines: list[str] = []
        self.write: Callable[[str], None] = self.lines.append

    def lack(self, *names: str) -> None:
        mask = EVERYTHING & ~sum(1 << NUMBERS[name] for name in names)
        self.sets = CapabilitySets(0, mask, mask, mask, 0)

    def become_user(self) -> None:
        """Drop all capabilities but those in the bounding set, as for a user other than root."""
        self.sets = CapabilitySets(0, 0, 0, self.sets.bounding, 0)

    def _try_backend(self, name: str) -> None:
        if name in self.backends:
            raise self.backends[name]

    def _describe_route(self, _endpoint: object) -> str:
        if self.route_failure:
            raise self.route_failure
        return "on-link"

    def _plan(self, _config: ShimConfig) -> Plan:
        if self.plan_failure:
            raise self.plan_failure
        return Plan(self.account, 0, 0, 0, 0, no_new_privs=False, warnings=())

    def examined(self, *entries: str) -> int:
        dependencies = Dependencies(
            self.network, self.kernel, self._try_backend, self._describe_route, self._plan, self.sets, self.emulated
        )
        environ = [b"MOCK_HOSTNAME=mock", b"HOME=/nowhere", *(entry.encode() for entry in entries)]
        if b"-MOCK_HOSTNAME" in environ:
            environ = [entry for entry in environ if b"MOCK_HOSTNAME" not in entry]
        return examine(environ, dependencies, self.write)

    def said(self, mark: str) -> list[str]:
        return [line[6:] for line in self.lines if line.startswith(f"{mark:<5} ")]


@pytest.fixture
def container() -> Container:
    return Container()


def test_a_working_container(container: Container) -> None:
    assert container.examined() == 0
    assert container.said("fail") == []
    assert container.said("warn") == []
    assert container.lines[-1] == "a start would work here"
    for sentence in (
        "the mock is configured as mock, port 80",
        "NET_ADMIN is granted (needed to set the rule or the route)",
        "NAT back end legacy works",
        "NAT back end nft works",
        "route to 169.254.169.254: on-link",
        "without a rule, 169.254.169.254:80 is answered by imds-mock one",
        "mock resolves to 10.0.0.4",
        "10.0.0.4:80 is answered by imds-mock one",
        "trial start: 169.254.169.254:80 -> 10.0.0.4:80 (mock)",
        "trial start: succeeded and undone",
    ):
        assert sentence in container.said("ok")


def test_the_trial_start_is_undone(container: Container) -> None:
    container.examined()
    assert [len(rules) for rules in container.kernel.tables[0].history] == [1, 0]
    assert container.kernel.routes == []


def test_invalid_and_unknown_settings(container: Container) -> None:
    assert container.examined("MOCK_PORT=x", "MOCK_TIMEOUT=3") == 78
    assert any(line.startswith("MOCK_PORT must be ") for line in container.said("fail"))
    assert "unknown setting MOCK_TIMEOUT; did you mean MOCK_TIMEOUT_SECONDS?" in container.said("warn")
    assert container.lines[-1] == "a start would fail here with exit code 78"


def test_without_a_host_name_the_rest_is_examined(container: Container) -> None:
    assert container.examined("-MOCK_HOSTNAME") == 78
    assert "NAT back end legacy works" in container.said("ok")
    assert '      MOCK_HOSTNAME: "mock_metadata"' in container.lines


def refusal(container: Container) -> PrivilegeError:
    missing = container.sets.missing("NET_ADMIN")
    return PrivilegeError(
        "NET_ADMIN is missing; it is needed to redirect 169.254.169.254", how_to_grant(missing, container.sets)
    )


def test_a_missing_capability_is_suggested_once(container: Container) -> None:
    container.lack("NET_ADMIN")
    container.kernel.refusal = refusal(container)
    container.backends = {"legacy": refusal(container), "nft": refusal(container)}
    assert container.examined() == 77
    assert "NET_ADMIN is missing (needed to set the rule or the route)" in container.said("warn")
    assert "NAT back end nft: NET_ADMIN is missing; it is needed to redirect 169.254.169.254" in container.said("warn")
    assert container.said("fail") == ["trial start: NET_ADMIN is missing; it is needed to redirect 169.254.169.254"]
    assert [line for line in container.lines if "cap_add" in line] == ["    cap_add: [NET_ADMIN]"]


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ((), "NET_ADMIN, SETPCAP"),
        (("MOCK_KEEP_CAPS=1",), "NET_ADMIN"),
        (("MOCK_NO_NEW_PRIVS=1",), "NET_ADMIN"),
    ],
)
def test_with_all_capabilities_dropped_the_line_includes_those_of_the_hand_off(
    container: Container, settings: tuple[str, ...], added: str
) -> None:
    container.lack("NET_ADMIN", "NET_RAW", "SETPCAP", "SETUID", "SETGID")
    container.kernel.refusal = refusal(container)
    assert container.examined(*settings) == 77
    assert f"    cap_add: [{added}]" in container.lines


@pytest.mark.parametrize(
    ("dropped", "added"),
    [
        ((), []),
        (("NET_ADMIN",), ["    cap_add: [NET_ADMIN]"]),
        (("NET_ADMIN", "SETUID", "SETGID"), ["    cap_add: [NET_ADMIN, SETUID, SETGID]"]),
    ],
)
def test_a_user_without_capabilities(
    container: Container, monkeypatch: pytest.MonkeyPatch, dropped: tuple[str, ...], added: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    container.lack(*dropped)
    container.become_user()
    container.kernel.refusal = refusal(container)
    assert container.examined() == 77
    assert "the container starts as user 1000, which has no capabilities" in container.said("warn")
    out = "\n".join(container.lines)
    assert "remove this from the service in the compose file:\n    user: 1000" in out
    assert '      MOCK_USER: "1000"' in container.lines
    options = ["--env MOCK_USER=1000", *(f"--cap-add {name}" for name in dropped)]
    assert f"with docker run: {' '.join(options)}" in container.lines
    assert [line for line in container.lines if "cap_add" in line] == added, "what the service has is not to be added"


def test_a_capability_that_the_compose_file_cannot_restore(container: Container) -> None:
    container.sets = CapabilitySets(0, 0, 0, EVERYTHING, 0)
    container.kernel.refusal = refusal(container)
    assert container.examined() == 77
    (failed,) = container.said("fail")
    assert failed.endswith("Make the shim the container's first program.")
    assert [line for line in container.lines if "cap_add" in line] == []


def test_a_failed_plan_for_the_command(container: Container) -> None:
    container.lack("SETPCAP")
    container.plan_failure = PrivilegeError("NET_ADMIN cannot be taken from root without SETPCAP", "add it")
    assert container.examined() == 77
    assert container.said("fail") == ["the command: NET_ADMIN cannot be taken from root without SETPCAP"]
    assert "    cap_add: [SETPCAP]" in container.lines


def test_warnings_of_the_trial_start_are_reported_and_its_waiting_is_not(container: Container) -> None:
    container.network.servers |= {"10.0.0.4:80": OTHER_IMDS, V4: OTHER_IMDS}
    assert container.examined() == 0
    cannot_tell = (
        f"trial start: cannot verify that {V4} reaches 10.0.0.4:80: an IMDS answers there "
        "(200 OK (Server: EC2ws)), but it does not identify itself"
    )
    assert cannot_tell in container.said("warn")
    container.network.servers["10.0.0.4:80"] = "refuses the connection"
    container.lines.clear()
    assert container.examined("MOCK_TIMEOUT_SECONDS=0.1") == 69
    assert [line for line in container.lines if "waiting for" in line or "warning:" in line] == []


def test_a_route_of_the_commands_user_is_a_warning(container: Container) -> None:
    container.account = Account(1000, 1000, ())
    container.kernel.user_routes[1000] = "no route (the policy rule 9 (prohibit))"
    assert container.examined("MOCK_USER=1000") == 0
    (warning,) = container.said("warn")
    assert warning.startswith(f"trial start: user 1000 may not reach the mock at {V4.removesuffix(':80')}")
    assert warning.endswith(": no route (the policy rule 9 (prohibit))")


def test_no_check_takes_longer_than_five_seconds(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if MOCK_TIMEOUT_SECONDS is longer, because a user waits for the report."""
    seconds: list[float] = []

    def deadline(limit: float) -> Deadline:
        seconds.append(limit)
        return Deadline(limit)

    monkeypatch.setattr("imds_shim.doctor.Deadline", deadline)
    assert container.examined("MOCK_TIMEOUT_SECONDS=600") == 0
    assert max(seconds) == 5
    assert container.examined("MOCK_TIMEOUT_SECONDS=3") == 0
    assert seconds[-1] == 3


def test_one_working_back_end_is_enough(container: Container) -> None:
    container.backends = {"legacy": KernelRefusedError("this kernel has no legacy nat table")}
    assert container.examined() == 0
    assert "NAT back end legacy: this kernel has no legacy nat table" in container.said("warn")


def test_only_the_configured_back_end_is_examined(container: Container) -> None:
    container.examined("MOCK_BACKEND=nft")
    assert not any("legacy works" in line for line in container.said("ok"))


def test_a_name_without_address(container: Container) -> None:
    container.network.names.clear()
    assert container.examined("MOCK_TIMEOUT_SECONDS=0.1") == 68
    assert "mock has no address: name server 10.0.0.53 replies NXDOMAIN for mock" in container.said("fail")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ("refuses the connection", 69, "10.0.0.4:80 refuses the connection"),
        (NGINX, 69, "10.0.0.4:80 is answered by 404 Not Found (Server: nginx)"),
    ],
)
def test_a_mock_that_does_not_answer(container: Container, answer: object, code: int, words: str) -> None:
    container.network.servers["10.0.0.4:80"] = answer  # type: ignore[assignment]
    assert container.examined("MOCK_TIMEOUT_SECONDS=0.1") == code
    assert words in container.said("fail")


@pytest.mark.parametrize(("there", "mark"), [(NGINX, "warn"), (MOCK_TWO, "ok")])
def test_another_server_at_the_endpoint_is_reported(container: Container, there: object, mark: str) -> None:
    container.network.servers[V4] = there  # type: ignore[assignment]
    assert container.examined() == 70
    assert any(line.startswith(f"without a rule, {V4} is answered by ") for line in container.said(mark))


def test_no_server_at_the_endpoint_is_ok(container: Container) -> None:
    answers = ["refuses the connection"]
    container.network.servers[V4] = lambda: answers.pop() if answers else MOCK_ONE
    assert container.examined() == 0
    assert f"without a rule, {V4} refuses the connection" in container.said("ok")


def test_sdk_overrides_are_warnings(container: Container) -> None:
    assert container.examined("AWS_ACCESS_KEY_ID=x", "HTTP_PROXY=http://p") == 0
    assert len(container.said("warn")) == 2
    assert '      NO_PROXY: "169.254.169.254"' in container.lines
    assert any("remove it from the service's environment" in line for line in container.said("warn"))
    assert container.lines[-1] == "a start would work here, but SDKs may bypass the mock: see the last warnings"


def test_ipv6_is_examined_when_it_is_wanted(container: Container) -> None:
    container.network.names["mock"].append(ip_address("fd00::6"))
    container.network.servers |= {"fd00::6:80": MOCK_ONE, "fd00:ec2::254:80": MOCK_ONE}
    assert container.examined("MOCK_IPV6=1") == 0
    assert "trial start: [fd00:ec2::254]:80 -> [fd00::6]:80 (mock)" in container.said("ok")


def test_an_emulated_image_is_named_in_place_of_what_it_cannot_see(container: Container) -> None:
    container.emulated = "this is an amd64 image on an arm64 kernel; build or pull the arm64 one"
    container.backends = {name: KernelRefusedError(f"this kernel has no {name}.") for name in ("legacy", "nft")}
    container.kernel.refusal = KernelRefusedError("neither NAT back end of this kernel can be used.")
    assert container.examined() == 71
    assert container.said("fail") == [f"trial start: {container.emulated}"]
    assert container.said("warn") == [
        f"NAT back end {name} is out of reach: {container.emulated}" for name in ("legacy", "nft")
    ]


def test_an_emulated_image_may_be_unable_to_query_the_kernel(container: Container) -> None:
    container.emulated = "this is an amd64 image on an arm64 kernel; build or pull the arm64 one"
    container.route_failure = OSError(errno.EOPNOTSUPP, "Operation not supported")
    container.kernel.refusal = container.route_failure
    assert container.examined() == 71
    assert container.said("warn") == [f"route to 169.254.169.254: {container.emulated}"]
    assert container.said("fail") == [f"trial start: {container.emulated}"]
    container.emulated = None
    with pytest.raises(OSError, match="not supported"):
        container.examined()


def test_a_report_whose_reader_leaves_ends_and_is_undone(container: Container) -> None:
    container.examined()
    left = 0

    def write(_line: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OutputClosedError

    container.write = write
    for accepted in range(len(container.lines)):
        left = accepted
        with pytest.raises(OutputClosedError):
            container.examined()
        assert (container.kernel.tables[0].rules, container.kernel.routes) == ([], [])
