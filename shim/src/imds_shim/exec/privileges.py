"""What the application may do: its user and its capabilities, given up in the order in which each step is allowed.

`plan` decides from what there is, without touching anything, so that a start which cannot work ends before the network
is changed; `apply` does it, through the C library's own calls. Rules from capabilities(7), section "Transformation of
capabilities during execve()".
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import TYPE_CHECKING

from imds_shim import capabilities
from imds_shim.errors import PrivilegeError
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from imds_shim.capabilities import CapabilitySets
    from imds_shim.exec.accounts import Account

PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
NEEDED_BY_THE_SHIM = frozenset({"NET_ADMIN"})
TO_REMOVE_THE_RULE = NEEDED_BY_THE_FOLLOWER = frozenset({"NET_ADMIN", "NET_RAW"})
# The application's user may be unable to read the modules and files that this takes.
TO_BECOME_THE_OLD_USER = frozenset({"SETUID", "SETGID", "DAC_OVERRIDE", "DAC_READ_SEARCH"})
INSTEAD_OF_SETPCAP = (
    "MOCK_NO_NEW_PRIVS=1, MOCK_USER, or MOCK_KEEP_CAPS=1 (the application keeps NET_ADMIN) do without SETPCAP"
)


class Identity(Record):
    """What a process is, as far as the kernel's permission checks go."""

    uid: int
    gid: int
    groups: frozenset[int]
    sets: CapabilitySets

    @classmethod
    def current(cls) -> Identity:
        """This process."""
        return cls(os.geteuid(), os.getegid(), frozenset(os.getgroups()), capabilities.read_sets())


class Plan(Record):
    """What to give up before the application is executed; masks have bit n for capability number n."""

    account: Account | None  # None: the user stays
    bounding: int  # to drop from the bounding set
    inheritable: int  # what stays in the inheritable set
    permitted: int  # what stays in the permitted set until exec, which then computes the application's own
    effective: int  # what stays in the effective set, with whose rights the program's file is looked up
    no_new_privs: bool
    warnings: tuple[str, ...]
    before: Identity | None = None  # what `regain` returns to; None: the user stays


def plan(
    now: Identity,
    account: Account | None,
    *,
    keep_caps: bool = False,
    drop_caps: AbstractSet[str] = frozenset(),
    no_new_privs: bool = False,
) -> Plan:
    """Decide what to give up.

    Args:
        now: what the shim is.
        account: whom the application runs as; None leaves the user alone.
        keep_caps: leave the application the capability that only the shim needed.
        drop_caps: names without `CAP_` that the application must not have either.
        no_new_privs: no program that the application executes can gain privileges.

    Raises:
        PrivilegeError: the shim may not give up what it should; the sentence names the missing capability.
    """
    if account is not None and _is(now, account):
        account = None
    sets = now.sets
    drop = _mask(drop_caps | (frozenset() if keep_caps else NEEDED_BY_THE_SHIM))
    becomes_other = account is not None and account.uid != 0
    if account is not None:
        _check_switch(now, account)
    in_bounding = sets.bounding & drop
    may_drop = not sets.missing("SETPCAP")
    limited = bool(in_bounding) and not may_drop
    warnings: tuple[str, ...] = ()
    if limited and (becomes_other or now.uid != 0):
        # Whoever is not root has no SETPCAP either, whatever the compose file adds.
        hint = " (`cap_add: [SETPCAP]` clears this one, too)" if now.uid == 0 else ""
        sentence = (
            f"{_names(in_bounding)} stays in the bounding set of the application, because dropping it needs SETPCAP; "
            f"all its other sets are without it{hint}"
        )
        warnings = (sentence,)
    elif limited and not no_new_privs:
        raise PrivilegeError(
            f"{_names(in_bounding)} cannot be taken from an application that runs as root without SETPCAP",
            f"{capabilities.how_to_get(('SETPCAP',), sets)}; {INSTEAD_OF_SETPCAP}",
            ("SETPCAP",),
        )
    if becomes_other:
        permitted = sets.permitted & _mask(TO_REMOVE_THE_RULE | TO_BECOME_THE_OLD_USER)
        inheritable, effective = 0, 0
        if no_new_privs:
            # A program file that carries one of these would get it: exec limits such a file to the permitted set.
            in_bounding |= sets.bounding & _mask(TO_BECOME_THE_OLD_USER)
    else:
        inheritable, permitted, effective = sets.inheritable & ~drop, sets.permitted, sets.effective & ~drop
        if limited:
            # Root gets back at exec what the bounding set holds, unless no_new_privs limits it to what it has now.
            permitted &= ~drop
    return Plan(
        account=account,
        bounding=in_bounding if may_drop else 0,
        inheritable=inheritable,
        permitted=permitted,
        effective=effective,
        no_new_privs=no_new_privs,
        warnings=warnings,
        before=None if account is None else now,
    )


def apply(planned: Plan) -> None:
    """Give up what was planned: bounding, ambient, groups, gid, uid, the other sets.

    Exec itself empties the permitted set of another user, and computes root's from the bounding set. So what `regain`
    needs after an exec that failed stays permitted until then. It is not effective: exec looks the program's file up
    with the application's rights.

    Raises:
        PrivilegeError: the kernel refused a step.
    """
    account = planned.account
    for number in _numbers(planned.bounding):
        _call(f"dropping {capabilities.NAMES[number]} from the bounding set", _prctl, PR_CAPBSET_DROP, number)
    if account is not None:
        if account.uid != 0:
            _call("clearing the ambient set", _prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
            _call("keeping capabilities until exec", _prctl, PR_SET_KEEPCAPS, 1)
        # Groups before the user: afterwards the right to set them is gone.
        if frozenset(os.getgroups()) != frozenset(account.supplementary):
            _call(f"setting the groups {account.supplementary}", os.setgroups, list(account.supplementary))
        _call(f"becoming group {account.gid}", os.setresgid, account.gid, account.gid, account.gid)
        _call(f"becoming user {account.uid}", os.setresuid, account.uid, account.uid, account.uid)
    _call("setting the capabilities", _capset, planned.permitted, planned.effective, planned.inheritable)
    if planned.no_new_privs:
        _call("setting no_new_privs", _prctl, PR_SET_NO_NEW_PRIVS, 1)


def limit_to(names: Iterable[str]) -> None:
    """Give up every capability but those, as far as they are there."""
    kept = capabilities.read_sets().permitted & _mask(names)
    _call("setting the capabilities", _capset, kept, kept, 0)


def regain(planned: Plan) -> None:
    """Return to the user and the rights from before `apply`, as far as they are still permitted: exec has failed.

    Raises:
        PrivilegeError: the kernel refused a step.
    """
    sets = capabilities.read_sets()
    _call("setting the capabilities", _capset, sets.permitted, sets.permitted, sets.inheritable)
    before = planned.before
    if before is not None:
        if frozenset(os.getgroups()) != before.groups:
            _call("restoring the groups", os.setgroups, sorted(before.groups))
        _call(f"restoring group {before.gid}", os.setresgid, before.gid, before.gid, before.gid)
        _call(f"restoring user {before.uid}", os.setresuid, before.uid, before.uid, before.uid)


def _is(now: Identity, account: Account) -> bool:
    return (now.uid, now.gid, now.groups) == (account.uid, account.gid, frozenset(account.supplementary))


def _check_switch(now: Identity, account: Account) -> None:
    needed = ["SETUID"] if account.uid != now.uid else []
    if account.gid != now.gid or now.groups != frozenset(account.supplementary):
        needed.append("SETGID")
    missing = now.sets.missing(*needed)
    if missing:
        what = " and ".join(missing)
        raise PrivilegeError(
            f"MOCK_USER={account.uid}:{account.gid} needs {what}, which this container lacks",
            capabilities.how_to_get(missing, now.sets),
            missing,
        )


def _mask(names: Iterable[str]) -> int:
    return sum(1 << capabilities.NUMBERS[name] for name in names)


def _numbers(mask: int) -> list[int]:
    return [number for number in range(len(capabilities.NAMES)) if mask >> number & 1]


def _names(mask: int) -> str:
    return ", ".join(capabilities.NAMES[number] for number in _numbers(mask))


def _call(what: str, function: Callable[..., object], *arguments: object) -> None:
    try:
        function(*arguments)
    except OSError as error:
        # setuid and its kin say so of a number that the container's user namespace does not map.
        hint = " (an id that this container does not have)" if error.errno == errno.EINVAL else ""
        raise PrivilegeError(f"{what} for the application failed: {error.strerror}{hint}") from error


def _prctl(option: int, argument: int) -> None:
    unused = ctypes.c_ulong(0)
    _checked(ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(argument), unused, unused, unused))


def _capset(permitted: int, effective: int, inheritable: int) -> None:
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    low, high = ([value >> shift & 0xFFFFFFFF for value in (effective, permitted, inheritable)] for shift in (0, 32))
    _checked(ctypes.CDLL(None, use_errno=True).capset(header, struct.pack("=6I", *low, *high)))


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
