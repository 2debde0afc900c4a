"""Which privileges are dropped in which container; tests/netns checks the same table on the kernel."""

from __future__ import annotations

import pytest

from imds_shim.capabilities import NUMBERS, CapabilitySets, how_to_grant, read_sets
from imds_shim.errors import PrivilegeError
from imds_shim.exec.accounts import Account
from imds_shim.exec.privileges import Identity, plan

# Docker's default set.
DEFAULT = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
)
APP = Account(1000, 1000, ())


def mask(*names: str) -> int:
    return sum(1 << NUMBERS[name] for name in names)


def root(*names: str, inheritable: int = 0, groups: frozenset[int] = frozenset({0})) -> Identity:
    held = mask(*names)
    return Identity(0, 0, groups, CapabilitySets(inheritable, held, held, held, 0))


def test_default_set_and_net_admin_as_root() -> None:
    planned = plan(root(*DEFAULT, "NET_ADMIN"), None)
    assert planned.bounding == mask("NET_ADMIN")
    assert planned.effective == mask(*DEFAULT)
    assert planned.warnings == ()


def test_default_set_and_net_admin_as_another_user() -> None:
    planned = plan(root(*DEFAULT, "NET_ADMIN"), APP)
    assert (planned.account, planned.bounding) == (APP, mask("NET_ADMIN"))
    assert (planned.inheritable, planned.effective) == (0, 0)
    # Exec clears it; until then the shim can become root again and remove the rule.
    assert planned.permitted == mask("NET_ADMIN", "NET_RAW", "SETUID", "SETGID", "DAC_OVERRIDE")
    assert planned.before == root(*DEFAULT, "NET_ADMIN")


def test_with_no_new_privs_a_program_file_cannot_use_the_permitted_set() -> None:
    planned = plan(root(*DEFAULT, "NET_ADMIN"), APP, no_new_privs=True)
    assert planned.bounding == mask("NET_ADMIN", "SETUID", "SETGID", "DAC_OVERRIDE")


def test_drop_caps() -> None:
    planned = plan(root(*DEFAULT, "NET_ADMIN"), None, drop_caps=frozenset({"NET_RAW", "SYS_ADMIN"}))
    assert planned.bounding == mask("NET_ADMIN", "NET_RAW")


def test_keep_caps_and_drop_caps() -> None:
    now = root(*DEFAULT, "NET_ADMIN")
    assert plan(now, None, keep_caps=True).bounding == 0
    assert plan(now, None, keep_caps=True, drop_caps=frozenset({"NET_RAW"})).bounding == mask("NET_RAW")
    assert plan(now, None, keep_caps=True, drop_caps=frozenset({"NET_ADMIN"})).bounding == mask("NET_ADMIN")


def test_the_inheritable_set_is_dropped() -> None:
    # Engines before CVE-2022-24769 was fixed fill the inheritable set.
    inherited = mask(*DEFAULT, "NET_ADMIN")
    assert plan(root(*DEFAULT, "NET_ADMIN", inheritable=inherited), None).inheritable == mask(*DEFAULT)
    assert plan(root(*DEFAULT, "NET_ADMIN", inheritable=inherited), APP).inheritable == 0


def test_root_without_setpcap_is_refused_with_alternatives() -> None:
    with pytest.raises(PrivilegeError) as caught:
        plan(root("NET_ADMIN"), None)
    for way in ("cap_add: [SETPCAP]", "MOCK_NO_NEW_PRIVS=1", "MOCK_USER", "MOCK_KEEP_CAPS=1"):
        assert way in str(caught.value)


def test_root_without_setpcap_and_with_no_new_privs() -> None:
    planned = plan(root("NET_ADMIN", "CHOWN"), None, no_new_privs=True)
    assert (planned.permitted, planned.effective, planned.bounding) == (mask("CHOWN"), mask("CHOWN"), 0)
    assert planned.no_new_privs
    assert planned.warnings == ()


def test_another_user_without_setpcap_keeps_the_bounding_set_with_a_warning() -> None:
    planned = plan(root("NET_ADMIN", "SETUID", "SETGID"), APP)
    assert planned.bounding == 0
    (warning,) = planned.warnings
    assert "NET_ADMIN stays in the bounding set" in warning
    assert "SETPCAP" in warning


@pytest.mark.parametrize(
    ("held", "missing"),
    [((), "SETUID and SETGID"), (("SETUID",), "SETGID is missing"), (("SETGID",), "SETUID is missing")],
)
def test_a_user_switch_needs_two_capabilities(held: tuple[str, ...], missing: str) -> None:
    with pytest.raises(PrivilegeError, match=missing) as caught:
        plan(root("NET_ADMIN", "SETPCAP", *held), APP)
    assert "cap_add: [" in str(caught.value)


def test_the_current_user_needs_no_capability() -> None:
    planned = plan(root("NET_ADMIN", "SETPCAP", groups=frozenset()), Account(0, 0, ()))
    assert planned.account is None


def test_only_the_groups_differ() -> None:
    with pytest.raises(PrivilegeError, match="SETGID is missing"):
        plan(root("NET_ADMIN", "SETPCAP", groups=frozenset({5})), Account(0, 0, ()))


def test_nothing_to_drop() -> None:
    planned = plan(root(*DEFAULT), None)
    assert (planned.bounding, planned.warnings, planned.permitted) == (0, (), mask(*DEFAULT))


def test_another_user_with_net_admin_in_the_bounding_set() -> None:
    now = Identity(1000, 1000, frozenset(), CapabilitySets(0, 0, 0, mask("NET_ADMIN"), 0))
    assert "bounding set" in plan(now, None).warnings[0]


def test_sets_are_read_from_proc() -> None:
    sets = read_sets()
    assert sets.effective & ~sets.permitted == 0
    assert sets.missing("CHOWN") == (() if sets.effective & 1 else ("CHOWN",))


def test_the_advice_depends_on_why_a_capability_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert how_to_grant(("NET_ADMIN", "NET_RAW"), root("CHOWN").sets) == (
        "Add `cap_add: [NET_ADMIN, NET_RAW]` to this service in the compose file "
        "(docker run: --cap-add NET_ADMIN --cap-add NET_RAW)"
    )
    taken = CapabilitySets(0, 0, 0, mask("NET_ADMIN"), 0)
    assert "Make the shim the container's first program" in how_to_grant(("NET_ADMIN",), taken)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    said = how_to_grant(("NET_ADMIN",), taken)
    assert "In the compose file, remove `user:`" in said
    assert "MOCK_USER=1000" in said
    assert "link_local_ips needs none" in said
