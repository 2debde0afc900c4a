"""All missing capabilities are reported at once, whichever step fails first."""

from __future__ import annotations

import os

import pytest

from imds_shim import capabilities
from imds_shim.capabilities import NUMBERS, CapabilitySets
from imds_shim.config import load
from imds_shim.errors import KernelRefusedError, PrivilegeError
from imds_shim.exec.requirements import all_missing

REDIRECT = PrivilegeError("NET_ADMIN is missing; it is needed to redirect 169.254.169.254", "add it", ("NET_ADMIN",))


def as_in(monkeypatch: pytest.MonkeyPatch, *held: str, user: int = 0, bounding: tuple[str, ...] = ()) -> None:
    """Pretend to be a process with these capabilities."""
    mask = sum(1 << NUMBERS[name] for name in held)
    sets = CapabilitySets(0, mask, mask, mask | sum(1 << NUMBERS[name] for name in bounding), 0)
    monkeypatch.setattr(capabilities, "read_sets", lambda: sets)
    for function in ("geteuid", "getegid"):
        monkeypatch.setattr(os, function, lambda: user)
    monkeypatch.setattr(os, "getgroups", list)


def refuse(*_: object) -> None:
    raise REDIRECT


@pytest.mark.parametrize(
    ("held", "settings", "added"),
    [
        ((), {}, "NET_ADMIN, SETPCAP"),
        ((), {"MOCK_KEEP_CAPS": "1"}, "NET_ADMIN"),
        ((), {"MOCK_KEEP_CAPS": "1", "MOCK_DROP_CAPS": "CHOWN"}, "NET_ADMIN"),
        (("CHOWN",), {"MOCK_KEEP_CAPS": "1", "MOCK_DROP_CAPS": "CHOWN"}, "NET_ADMIN, SETPCAP"),
        ((), {"MOCK_NO_NEW_PRIVS": "1"}, "NET_ADMIN"),
        ((), {"MOCK_USER": "1000:1000"}, "NET_ADMIN, SETUID, SETGID"),
        (("SETUID",), {"MOCK_USER": "1000:1000"}, "NET_ADMIN, SETGID"),
        (("SETPCAP", "SETUID", "SETGID"), {"MOCK_USER": "1000:1000"}, "NET_ADMIN"),
    ],
)
def test_later_steps_are_reported_too(
    monkeypatch: pytest.MonkeyPatch, held: tuple[str, ...], settings: dict[str, str], added: str
) -> None:
    as_in(monkeypatch, *held)
    environ = [f"{name}={value}".encode() for name, value in ({"MOCK_HOSTNAME": "mock"} | settings).items()]
    error = all_missing(REDIRECT, load([b"true"], environ), refuse)
    assert ", ".join(error.missing) == added
    if error is not REDIRECT:
        options = " ".join(f"--cap-add {name}" for name in error.missing)
        assert f"Add `cap_add: [{added}]` to this service in the compose file (docker run: {options})" in str(error)
        assert error.problem.startswith("NET_ADMIN is missing; it is needed to redirect 169.254.169.254. ")


def test_earlier_steps_are_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    as_in(monkeypatch)
    first = PrivilegeError("SETGID is missing; it is needed for MOCK_USER=0:5", "add it", ("SETGID",))
    error = all_missing(first, load([b"true"], [b"MOCK_HOSTNAME=mock", b"MOCK_USER=0:5"]), refuse)
    assert error.missing == ("NET_ADMIN", "SETPCAP", "SETGID")
    assert "MOCK_NO_NEW_PRIVS=1, MOCK_USER or MOCK_KEEP_CAPS=1" in str(error)


def test_init_needs_only_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    as_in(monkeypatch)
    assert all_missing(REDIRECT, load([b"--init"], [b"MOCK_HOSTNAME=mock"]), refuse) is REDIRECT


def test_other_errors_are_left_to_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    as_in(monkeypatch, "NET_ADMIN")

    def check() -> None:
        raise KernelRefusedError("no NAT table")

    first = PrivilegeError("it needs SETPCAP", "add it", ("SETPCAP",))
    assert all_missing(first, load([b"true"], [b"MOCK_HOSTNAME=mock"]), check) is first


@pytest.mark.parametrize(
    ("bounding", "added"),
    [
        ((), "NET_ADMIN, SETUID, SETGID"),
        (("SETGID", "SETUID", "SETPCAP"), "NET_ADMIN"),
    ],
)
def test_a_user_without_capabilities_becomes_mock_user(
    monkeypatch: pytest.MonkeyPatch, bounding: tuple[str, ...], added: str
) -> None:
    as_in(monkeypatch, user=1000, bounding=bounding)
    error = all_missing(REDIRECT, load([b"true"], [b"MOCK_HOSTNAME=mock"]), refuse)
    assert ", ".join(error.missing) == added
