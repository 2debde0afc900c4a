"""Faults: which requests they affect, how often, and how they change the response."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from imds_mock.faults.armed import MAX_FAULTS, ArmedFaults, FaultState, TooManyFaultsError, UnknownFaultError
from imds_mock.faults.kinds import FAULTS, AnyFault
from imds_mock.metadata import documents
from imds_mock.scheduling.fields import FieldError
from imds_mock.service import responses
from imds_mock.service.messages import Delivery, Head, Request, Response
from imds_mock.violations.words import tag_of

if TYPE_CHECKING:
    from collections.abc import Callable

T0 = 1_769_860_800.0
NAMES = {"172.18.0.3": {"debug", "proj-debug-1"}}
CREDENTIALS = documents.write(
    {"Code": "Success", "LastUpdated": "2026-01-31T11:00:00Z", "Expiration": "2026-01-31T17:00:00Z"}
)


def is_target(address: str, name: str) -> bool:
    return name == address or name in NAMES.get(address, ())


def fault(kind: str, **fields: Any) -> AnyFault:
    required: dict[str, dict[str, Any]] = {"delay": {"delay": "2s"}, "clock-skew": {"seconds": -600}}
    converted: AnyFault = msgspec.convert({"kind": kind, **required.get(kind, {}), **fields}, AnyFault)
    return converted


def faults(*armed: AnyFault, random: Callable[[], float] = lambda: 0.5) -> ArmedFaults:
    made = ArmedFaults(is_target, random)
    for each in armed:
        made.arm(each, T0)
    return made


def ask(
    armed: ArmedFaults,
    path: str = "/latest/meta-data/instance-id",
    *,
    caller: str = "172.18.0.3",
    at: float = 0.0,
    body: bytes = b"i-1",
    issued: float | None = None,
) -> Response:
    answer = Response.content(body, "text/plain", T0)
    return armed.apply(answer, Request("GET", path, path), caller, T0 + at, lambda: issued)


def header(response: Response, name: str) -> str | None:
    return dict(response.head.leading + response.head.trailing).get(name)


def test_without_faults_a_response_is_unchanged() -> None:
    answer = Response.content(b"i-1", "text/plain", T0)
    armed = faults()
    assert armed.armed == ()
    assert armed.apply(answer, Request("GET", "/", "/"), "1", T0, lambda: None) is answer


def test_a_status_fault_replaces_the_response() -> None:
    response = ask(faults(fault("status", retry_after=7)))
    assert (response.status, response.body, response.faults) == (503, b"", ("status-1",))
    assert (header(response, "Retry-After"), header(response, "Content-Length")) == ("7", "0")
    assert header(ask(faults(fault("status", status=404))), "Retry-After") is None


def test_faults_that_change_how_a_response_is_delivered() -> None:
    assert ask(faults(fault("delay", delay="1500ms"))).delay_seconds == 1.5
    assert ask(faults(fault("stall"))).delivery is Delivery.STALL
    assert ask(faults(fault("reset"))).delivery is Delivery.RESET
    assert ask(faults(fault("truncate", keep_bytes=2))).cut_after == 2


def test_several_faults_apply_together_and_are_all_named() -> None:
    response = ask(faults(fault("delay", delay=1), fault("status"), fault("delay", delay=2)))
    assert (response.status, response.delay_seconds) == (503, 3.0)
    assert response.faults == ("delay-1", "status-2", "delay-3")


def test_tokens_issued_before_the_fault_are_revoked() -> None:
    armed = faults(fault("revoke-tokens"))
    assert ask(armed, issued=T0 - 1).status == 401
    assert ask(armed, issued=T0).status == 200
    assert ask(armed, issued=None).status == 200
    assert armed.armed[0].hits == 1


def test_a_token_issued_when_the_fault_starts_is_not_revoked() -> None:
    # Tokens hold whole milliseconds, rounded down.
    armed = faults(fault("revoke-tokens", at=T0 + 0.0005))
    assert ask(armed, at=1, issued=T0).status == 200
    assert ask(armed, at=1, issued=T0 - 0.001).status == 401


@pytest.mark.parametrize("kind", ["status", "revoke-tokens"])
def test_an_error_instead_of_a_token_announces_no_lifetime(kind: str) -> None:
    answer = replace(Response.content(b"token", "text/plain", T0), token_ttl_seconds=60)
    request = Request("PUT", "/latest/api/token", "/latest/api/token")
    changed = faults(fault(kind)).apply(answer, request, "172.18.0.3", T0, lambda: T0 - 10)
    assert (changed.body, changed.token_ttl_seconds) == (b"", None)


@pytest.mark.parametrize(("kind", "body"), [("status", b"x"), ("clock-skew", CREDENTIALS)])
@pytest.mark.parametrize("names_server", [True, False])
def test_a_changed_response_names_the_server_if_the_original_does(
    kind: str,
    body: bytes,
    names_server: bool,  # noqa: FBT001 - a table
) -> None:
    answer = Response(Head.build(200, (), (), names_server=names_server), body)
    changed = faults(fault(kind)).apply(answer, Request("GET", "/", "/"), "172.18.0.3", T0, lambda: None)
    assert changed.faults
    assert changed.head.names_server is names_server


def test_a_skew_ends_at_the_epoch() -> None:
    body = documents.write({"LastUpdated": "1970-01-01T00:10:00Z", "Expiration": "1970-01-01T06:10:00Z"})
    times = json.loads(ask(faults(fault("clock-skew", seconds=-3600)), body=body).body)
    assert times == {"LastUpdated": "1970-01-01T00:00:00Z", "Expiration": "1970-01-01T05:10:00Z"}


def test_skewed_credentials_keep_everything_except_their_times() -> None:
    response = ask(faults(fault("clock-skew", seconds=-3600)), body=CREDENTIALS)
    assert json.loads(response.body) == {
        "Code": "Success",
        "LastUpdated": "2026-01-31T10:00:00Z",
        "Expiration": "2026-01-31T16:00:00Z",
    }
    assert header(response, "Content-Length") == str(len(response.body))


IAM_INFO = b'{"Code" : "Success", "LastUpdated" : "2026-01-31T11:00:00Z", "InstanceProfileArn" : "arn:aws:iam::1:x"}'


@pytest.mark.parametrize(
    "body", [b"i-1", b'{"Expiration"', b'{"Expiration" : 7}', b'["Expiration"]', b'"Expiration"', IAM_INFO]
)
def test_a_skew_leaves_other_documents_alone(body: bytes) -> None:
    armed = faults(fault("clock-skew"))
    assert ask(armed, body=body).body == body
    assert armed.armed[0].hits == 0


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("*", True),
        ("/latest/meta-data/iam/*", True),
        ("latest/meta-data/iam/*", True),
        ("/latest/meta-data/iam/security-credentials/", True),
        ("/latest/meta-data/iam/security-credentials", True),
        ("*/security-credentials", True),
        ("/latest/meta-data/iam", False),
        ("/latest/meta-data/IAM/*", False),
        ("/latest/meta-data/spot/*", False),
        ("/", False),
        ("meta-data/iam/*", True),
        ("meta-data/iam/security-credentials/", True),
        ("meta-data/iam", False),
        ("/meta-data/iam/*", False),
        ("l*/iam/*", True),
        ("2021-03-23/meta-data/iam/*", False),
    ],
)
def test_the_path_is_a_shell_pattern_for_the_whole_path(pattern: str, hit: bool) -> None:  # noqa: FBT001 - a table
    response = ask(faults(fault("status", path=pattern)), "/latest/meta-data/iam/security-credentials")
    assert (response.status == 503) == hit


def test_a_category_matches_under_any_version() -> None:
    armed = faults(fault("status", path="meta-data/mac"))
    assert ask(armed, "/2021-03-23/meta-data/mac").status == 503
    assert ask(armed, "/2021-03-23/dynamic/meta-data/mac").status == 200


@pytest.mark.parametrize("pattern", ["iam/*", "spot/instance-action", "instance-id"])
def test_a_pattern_that_cannot_match_a_path_is_rejected(pattern: str) -> None:
    with pytest.raises(FieldError, match=r"no path begins with .*; write it like '\*/iam/\*' or 'meta-data/iam/\*'"):
        faults(fault("status", path=pattern))


@pytest.mark.parametrize("target", ["172.18.0.3", "debug", "proj-debug-1"])
def test_a_target_is_an_address_or_a_name(target: str) -> None:
    armed = faults(fault("status", target=target))
    assert ask(armed, caller="172.18.0.3").status == 503
    assert ask(armed, caller="172.18.0.4").status == 200


@given(st.integers(1, 5), st.integers(0, 12))
def test_a_count_limits_the_number_of_hits(count: int, asked: int) -> None:
    armed = faults(fault("status", count=count))
    hit = [ask(armed).status == 503 for _ in range(asked)]
    assert sum(hit) == min(count, asked)
    assert hit == sorted(hit, reverse=True)
    assert (armed.armed[0].state(T0) is FaultState.SPENT) == (asked >= count)


@given(st.floats(0, 1), st.lists(st.floats(0, 1, exclude_max=True), max_size=30))
def test_a_rate_is_a_share_of_the_requests(rate: float, draws: list[float]) -> None:
    numbers = iter(draws)
    armed = faults(fault("status", rate=rate), random=lambda: next(numbers))
    hit = [ask(armed).status == 503 for _ in draws]
    assert hit == [rate == 1.0 or draw < rate for draw in draws]


def test_no_random_number_is_drawn_for_other_paths() -> None:
    draws = itertools.count()
    armed = faults(fault("status", rate=0.5, path="/x"), random=lambda: float(next(draws)))
    ask(armed)
    assert next(draws) == 0


def test_a_fault_has_a_window() -> None:
    armed = faults(fault("status", **{"in": "10s", "for": "5s"}))
    assert [ask(armed, at=at).status for at in (9.9, 10, 14.9, 15)] == [200, 503, 503, 200]
    assert [armed.armed[0].state(T0 + at) for at in (9, 10, 15)] == [
        FaultState.PENDING,
        FaultState.ACTIVE,
        FaultState.ENDED,
    ]


def test_a_probe_is_never_changed() -> None:
    armed = faults(*(fault(str(tag_of(kind))) for kind in FAULTS))
    probe = responses.probed("abc")
    assert armed.apply(probe, Request("GET", "/", "/"), "1", T0, lambda: None) is probe


def test_faults_are_listed_removed_and_cleared() -> None:
    armed = faults(fault("status"), fault("reset"))
    assert [each.id for each in armed.armed] == ["status-1", "reset-2"]
    armed.remove("status-1")
    assert armed.get("reset-2").hits == 0
    with pytest.raises(UnknownFaultError, match="unknown fault 'status-1'; expected one of reset-2"):
        armed.remove("status-1")
    assert armed.arm(fault("stall"), T0).id == "stall-3"
    armed.clear()
    assert armed.armed == ()
    assert armed.arm(fault("stall"), T0).id == "stall-4"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "delay", "delay": "x"}, "delay"),
        ({"kind": "stall", "path": ""}, "path"),
        ({"kind": "stall", "for": "x"}, "for"),
    ],
)
def test_an_invalid_value_is_rejected_when_the_fault_is_armed(fields: dict[str, str], field: str) -> None:
    armed = faults()
    with pytest.raises(FieldError) as raised:
        armed.arm(msgspec.convert(fields, AnyFault), T0)
    assert raised.value.field == field
    assert armed.armed == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "status", "status": 200},
        {"kind": "status", "rate": 1.1},
        {"kind": "status", "count": 0},
        {"kind": "truncate", "keep_bytes": -1},
        {"kind": "delay"},
        {"kind": "gremlin"},
        {"kind": "reset", "color": "red"},
    ],
)
def test_an_invalid_fault_is_rejected(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, AnyFault)


def test_the_number_of_faults_is_limited() -> None:
    armed = faults(*[fault("stall")] * MAX_FAULTS)
    with pytest.raises(TooManyFaultsError, match="remove some first"):
        armed.arm(fault("stall"), T0)
