"""The doctor's findings, on bodies with one illness each."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from imds_shim.capabilities import NUMBERS, CapabilitySets, how_to_grant
from imds_shim.doctor import Dependencies, examine
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.exec.accounts import Account
from imds_shim.exec.privileges import Plan
from support.fakes import MOCK_ONE, MOCK_TWO, NGINX, OTHER_IMDS, FakeKernel, FakeNetwork

if TYPE_CHECKING:
    from imds_shim.config import ShimConfig

V4 = "169.254.169.254:80"
EVERYTHING = (1 << len(NUMBERS)) - 1


class Patient:
    """A container in which a start works, until a test makes it ill."""

    def __init__(self) -> None:
        self.network = FakeNetwork()
        self.network.names["mock"] = [ip_address("10.0.0.4")]
        self.network.servers |= {"10.0.0.4:80": MOCK_ONE, V4: MOCK_ONE}
        self.kernel = FakeKernel()
        self.sets = CapabilitySets(0, EVERYTHING, EVERYTHING, EVERYTHING, 0)
        self.backends: dict[str, ShimError] = {}
        self.plan_failure: ShimError | None = None
        self.account: Account | None = None
        self.lines: list[str] = []

    def lack(self, *names: str) -> None:
        mask = EVERYTHING & ~sum(1 << NUMBERS[name] for name in names)
        self.sets = CapabilitySets(0, mask, mask, mask, 0)

    def become_user(self) -> None:
        """Another user than root has no capability, although the bounding set allows them."""
        self.sets = CapabilitySets(0, 0, 0, self.sets.bounding, 0)

    def _try_backend(self, name: str) -> None:
        if name in self.backends:
            raise self.backends[name]

    def _plan(self, _config: ShimConfig) -> Plan:
        if self.plan_failure:
            raise self.plan_failure
        return Plan(self.account, 0, 0, 0, 0, no_new_privs=False, warnings=())

    def examined(self, *entries: str) -> int:
        dependencies = Dependencies(
            self.network, self.kernel, self._try_backend, lambda _: "on-link", self._plan, self.sets
        )
        environ = [b"MOCK_HOSTNAME=mock", b"HOME=/nowhere", *(entry.encode() for entry in entries)]
        if b"-MOCK_HOSTNAME" in environ:
            environ = [entry for entry in environ if b"MOCK_HOSTNAME" not in entry]
        return examine(environ, dependencies, self.lines.append)

    def said(self, mark: str) -> list[str]:
        return [line[6:] for line in self.lines if line.startswith(f"{mark:<5} ")]


@pytest.fixture
def patient() -> Patient:
    return Patient()


def test_a_sound_container(patient: Patient) -> None:
    assert patient.examined() == 0
    assert patient.said("fail") == []
    assert patient.said("warn") == []
    assert patient.lines[-1] == "a start would work here"
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
        assert sentence in patient.said("ok")


def test_the_trial_start_is_undone(patient: Patient) -> None:
    patient.examined()
    assert [len(rules) for rules in patient.kernel.tables[0].history] == [1, 0]
    assert patient.kernel.routes == []


def test_bad_settings_and_the_lines_that_are_missing(patient: Patient) -> None:
    assert patient.examined("MOCK_PORT=x", "MOCK_TIMEOUT=3") == 78
    assert any(line.startswith("MOCK_PORT must be ") for line in patient.said("fail"))
    assert "unknown setting MOCK_TIMEOUT; did you mean MOCK_TIMEOUT_SECONDS?" in patient.said("warn")
    assert patient.lines[-1] == "a start would fail here with exit code 78"


def test_no_host_name_still_examines_the_rest(patient: Patient) -> None:
    assert patient.examined("-MOCK_HOSTNAME") == 78
    assert "NAT back end legacy works" in patient.said("ok")
    assert '      MOCK_HOSTNAME: "mock_metadata"' in patient.lines


def refusal(patient: Patient) -> PrivilegeError:
    missing = patient.sets.missing("NET_ADMIN")
    return PrivilegeError(
        "NET_ADMIN is missing; it is needed to redirect 169.254.169.254", how_to_grant(missing, patient.sets)
    )


def test_a_missing_capability_and_the_line_to_add_which_is_said_once(patient: Patient) -> None:
    patient.lack("NET_ADMIN")
    patient.kernel.refusal = refusal(patient)
    patient.backends = {"legacy": refusal(patient), "nft": refusal(patient)}
    assert patient.examined() == 77
    assert "NET_ADMIN is missing (needed to set the rule or the route)" in patient.said("warn")
    assert "NAT back end nft: NET_ADMIN is missing; it is needed to redirect 169.254.169.254" in patient.said("warn")
    assert patient.said("fail") == ["trial start: NET_ADMIN is missing; it is needed to redirect 169.254.169.254"]
    assert [line for line in patient.lines if "cap_add" in line] == ["    cap_add: [NET_ADMIN]"]


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ((), "NET_ADMIN, SETPCAP"),
        (("MOCK_KEEP_CAPS=1",), "NET_ADMIN"),
        (("MOCK_NO_NEW_PRIVS=1",), "NET_ADMIN"),
    ],
)
def test_where_everything_was_dropped_the_line_names_what_the_hand_off_will_need(
    patient: Patient, settings: tuple[str, ...], added: str
) -> None:
    patient.lack("NET_ADMIN", "NET_RAW", "SETPCAP", "SETUID", "SETGID")
    patient.kernel.refusal = refusal(patient)
    assert patient.examined(*settings) == 77
    assert f"    cap_add: [{added}]" in patient.lines


@pytest.mark.parametrize(
    ("dropped", "added"),
    [
        ((), []),
        (("NET_ADMIN",), ["    cap_add: [NET_ADMIN]"]),
        (("NET_ADMIN", "SETUID", "SETGID"), ["    cap_add: [NET_ADMIN, SETUID, SETGID]"]),
    ],
)
def test_a_user_without_capabilities(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, dropped: tuple[str, ...], added: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    patient.lack(*dropped)
    patient.become_user()
    patient.kernel.refusal = refusal(patient)
    assert patient.examined() == 77
    assert "the container starts as user 1000, which has no capabilities" in patient.said("warn")
    out = "\n".join(patient.lines)
    assert "remove this from the service in the compose file:\n    user: 1000" in out
    assert '      MOCK_USER: "1000"' in patient.lines
    options = ["--env MOCK_USER=1000", *(f"--cap-add {name}" for name in dropped)]
    assert f"with docker run: {' '.join(options)}" in patient.lines
    assert [line for line in patient.lines if "cap_add" in line] == added, "what the service has is not to be added"


def test_a_capability_that_no_line_of_the_compose_file_brings_back(patient: Patient) -> None:
    patient.sets = CapabilitySets(0, 0, 0, EVERYTHING, 0)
    patient.kernel.refusal = refusal(patient)
    assert patient.examined() == 77
    (failed,) = patient.said("fail")
    assert failed.endswith("Make the shim the container's first program.")
    assert [line for line in patient.lines if "cap_add" in line] == []


def test_what_the_command_could_not_be_given(patient: Patient) -> None:
    patient.lack("SETPCAP")
    patient.plan_failure = PrivilegeError("NET_ADMIN cannot be taken from root without SETPCAP", "add it")
    assert patient.examined() == 77
    assert patient.said("fail") == ["the command: NET_ADMIN cannot be taken from root without SETPCAP"]
    assert "    cap_add: [SETPCAP]" in patient.lines


def test_waiting_is_no_finding_and_a_warning_of_the_start_is_one(patient: Patient) -> None:
    patient.network.servers |= {"10.0.0.4:80": OTHER_IMDS, V4: OTHER_IMDS}
    assert patient.examined() == 0
    cannot_tell = (
        f"trial start: cannot verify that {V4} reaches 10.0.0.4:80: an IMDS answers there "
        "(200 OK (Server: EC2ws)), but it does not identify itself"
    )
    assert cannot_tell in patient.said("warn")
    patient.network.servers["10.0.0.4:80"] = "refuses the connection"
    patient.lines.clear()
    assert patient.examined("MOCK_TIMEOUT_SECONDS=0.1") == 69
    assert [line for line in patient.lines if "waiting for" in line or "warning:" in line] == []


def test_a_route_of_the_commands_user_is_a_warning(patient: Patient) -> None:
    patient.account = Account(1000, 1000, ())
    patient.kernel.user_routes[1000] = "no route (the policy rule 9 (prohibit))"
    assert patient.examined("MOCK_USER=1000") == 0
    (warning,) = patient.said("warn")
    assert warning.startswith(f"trial start: user 1000 may not reach the mock at {V4.removesuffix(':80')}")
    assert warning.endswith(": no route (the policy rule 9 (prohibit))")


def test_a_back_end_that_does_not_work_is_no_failure_while_another_does(patient: Patient) -> None:
    patient.backends = {"legacy": KernelRefusedError("this kernel has no legacy nat table")}
    assert patient.examined() == 0
    assert "NAT back end legacy: this kernel has no legacy nat table" in patient.said("warn")


def test_only_the_back_end_asked_for_is_tried(patient: Patient) -> None:
    patient.examined("MOCK_BACKEND=nft")
    assert not any("legacy works" in line for line in patient.said("ok"))


def test_a_name_without_address(patient: Patient) -> None:
    patient.network.names.clear()
    assert patient.examined("MOCK_TIMEOUT_SECONDS=0.1") == 68
    assert "mock has no address: name server 10.0.0.53 replies NXDOMAIN for mock" in patient.said("fail")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ("refuses the connection", 69, "10.0.0.4:80 refuses the connection"),
        (NGINX, 69, "10.0.0.4:80 is answered by 404 Not Found (Server: nginx)"),
    ],
)
def test_a_mock_that_does_not_answer(patient: Patient, answer: object, code: int, words: str) -> None:
    patient.network.servers["10.0.0.4:80"] = answer  # type: ignore[assignment]
    assert patient.examined("MOCK_TIMEOUT_SECONDS=0.1") == code
    assert words in patient.said("fail")


@pytest.mark.parametrize(("there", "mark"), [(NGINX, "warn"), (MOCK_TWO, "ok")])
def test_who_else_answers_at_the_endpoint(patient: Patient, there: object, mark: str) -> None:
    patient.network.servers[V4] = there  # type: ignore[assignment]
    assert patient.examined() == 70
    assert any(line.startswith(f"without a rule, {V4} is answered by ") for line in patient.said(mark))


def test_nobody_at_the_endpoint_is_as_it_should_be(patient: Patient) -> None:
    answers = ["refuses the connection"]
    patient.network.servers[V4] = lambda: answers.pop() if answers else MOCK_ONE
    assert patient.examined() == 0
    assert f"without a rule, {V4} refuses the connection" in patient.said("ok")


def test_what_hides_the_mock_is_a_warning(patient: Patient) -> None:
    assert patient.examined("AWS_ACCESS_KEY_ID=x", "HTTP_PROXY=http://p") == 0
    assert len(patient.said("warn")) == 2
    assert '      NO_PROXY: "169.254.169.254"' in patient.lines
    assert any("remove it from the service's environment" in line for line in patient.said("warn"))
    assert patient.lines[-1] == "a start would work here, but SDKs may bypass the mock: see the last warnings"


def test_ipv6_is_examined_when_it_is_wanted(patient: Patient) -> None:
    patient.network.names["mock"].append(ip_address("fd00::6"))
    patient.network.servers |= {"fd00::6:80": MOCK_ONE, "fd00:ec2::254:80": MOCK_ONE}
    assert patient.examined("MOCK_IPV6=1") == 0
    assert "trial start: [fd00:ec2::254]:80 -> [fd00::6]:80 (mock)" in patient.said("ok")
