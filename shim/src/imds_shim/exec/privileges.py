"""Drops the shim's privileges: the user and the capabilities of the application.

`plan` changes nothing, so that a start which cannot work fails before the network is changed; `apply` carries the plan
out by calls to the C library. Rules from capabilities(7), section "Transformation of capabilities during execve()".
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

from imds_shim import c_library, capabilities
from imds_shim.errors import PrivilegeError
from imds_shim.frozen_record import FrozenRecord

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
NEEDED_BY_SHIM = frozenset({"NET_ADMIN"})
NEEDED_TO_REMOVE_RULES = NEEDED_BY_FOLLOWER = frozenset({"NET_ADMIN", "NET_RAW"})
# DAC_*: the application's user may be unable to read the modules and files that this needs.
NEEDED_TO_RESTORE_USER = frozenset({"SETUID", "SETGID", "DAC_OVERRIDE", "DAC_READ_SEARCH"})
SETPCAP_ALTERNATIVES = (
    "Instead of SETPCAP, you can set MOCK_NO_NEW_PRIVS=1, MOCK_USER or MOCK_KEEP_CAPS=1 (the command keeps NET_ADMIN)"
)


class Identity(FrozenRecord):
    """A process's ids, groups and capabilities."""

    uid: int
    gid: int
    groups: frozenset[int]
    sets: CapabilitySets

    @classmethod
    def current(cls) -> Identity:
        """Return the identity of this process."""
        return cls(os.geteuid(), os.getegid(), frozenset(os.getgroups()), capabilities.read_sets())


class Plan(FrozenRecord):
    """The privileges to drop before exec; in masks, bit n is capability number n."""

    account: Account | None  # None: keep the user
    bounding: int  # to drop from the bounding set
    inheritable: int  # to keep in the inheritable set
    permitted: int  # to keep in the permitted set until exec, which computes the application's
    effective: int  # to keep in the effective set, by which exec may read the program's file
    no_new_privs: bool
    warnings: tuple[str, ...]
    before: Identity | None = None  # what `restore` restores; None: keep the user

    @property
    def uid(self) -> int | None:
        """The application's user id, or None if the user stays the same."""
        return None if self.account is None else self.account.uid


def plan(
    now: Identity,
    account: Account | None,
    *,
    keep_caps: bool = False,
    drop_caps: AbstractSet[str] = frozenset(),
    no_new_privs: bool = False,
) -> Plan:
    """Decide which privileges to drop.

    Args:
        now: the shim's identity.
        account: the application's user; None keeps the user.
        keep_caps: let the application keep the capabilities that only the shim needs.
        drop_caps: names, without `CAP_`, of more capabilities to drop.
        no_new_privs: prevent programs that the application executes from gaining privileges.

    Raises:
        PrivilegeError: a privilege cannot be dropped; the message names the missing capability.
    """
    if account is not None and _is_identity(now, account):
        account = None
    sets = now.sets
    drop = capabilities.mask(drop_caps | (frozenset() if keep_caps else NEEDED_BY_SHIM))
    becomes_other = account is not None and account.uid != 0
    if account is not None:
        _check_switch(now, account)
    in_bounding = sets.bounding & drop
    may_drop = not sets.missing("SETPCAP")
    limited = bool(in_bounding) and not may_drop
    warnings: tuple[str, ...] = ()
    if limited and (becomes_other or now.uid != 0):
        warnings = (_limited_warning(now, in_bounding),)
    elif limited and not no_new_privs:
        raise _limited_error(now, in_bounding)
    if becomes_other:
        permitted = sets.permitted & capabilities.mask(NEEDED_TO_REMOVE_RULES | NEEDED_TO_RESTORE_USER)
        inheritable, effective = 0, 0
        if no_new_privs:
            # exec would grant them to a program file that carries them, up to the permitted set.
            in_bounding |= sets.bounding & capabilities.mask(NEEDED_TO_RESTORE_USER)
    else:
        inheritable, permitted, effective = sets.inheritable & ~drop, sets.permitted, sets.effective & ~drop
        if limited:
            # At exec, root regains what the bounding set holds, unless no_new_privs limits it to the permitted set.
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


def _limited_warning(now: Identity, in_bounding: int) -> str:
    from imds_shim.surroundings import here

    # A user other than root has no SETPCAP, even if the compose file adds it.
    hint = f". {here().allowed_by('SETPCAP')} allows that" if now.uid == 0 else ""
    return (
        f"{_names(in_bounding)} stays in the bounding set of the application, because dropping it needs SETPCAP; "
        f"it is dropped from all other sets{hint}"
    )


def _limited_error(now: Identity, in_bounding: int) -> PrivilegeError:
    purpose = f"to drop {_names(in_bounding)} from a command that runs as root"
    error = capabilities.missing_error(("SETPCAP",), purpose, now.sets)
    return PrivilegeError(error.problem, f"{error.advice}. {SETPCAP_ALTERNATIVES}", error.missing)


def apply(planned: Plan) -> None:
    """Drop the planned privileges: bounding set, ambient set, groups, gid, uid, other sets.

    The capabilities that `restore` needs after a failed exec stay permitted until exec, which clears the permitted set
    of another user and computes root's from the bounding set. They are not effective, so that exec opens the program's
    file with the application's rights.

    Raises:
        PrivilegeError: the kernel refused a step.
    """
    account = planned.account
    for number in _numbers(planned.bounding):
        _attempt(
            f"dropping {capabilities.NAMES[number]} from the bounding set", c_library.prctl, PR_CAPBSET_DROP, number
        )
    if account is not None:
        if account.uid != 0:
            _attempt("clearing the ambient set", c_library.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
            _attempt("keeping capabilities until exec", c_library.prctl, PR_SET_KEEPCAPS, 1)
        # Groups first, because the new user may not set them.
        if frozenset(os.getgroups()) != frozenset(account.supplementary):
            _attempt(f"setting the groups {account.supplementary}", os.setgroups, list(account.supplementary))
        _attempt(f"becoming group {account.gid}", os.setresgid, account.gid, account.gid, account.gid)
        _attempt(f"becoming user {account.uid}", os.setresuid, account.uid, account.uid, account.uid)
    _attempt("setting the capabilities", _capset, planned.permitted, planned.effective, planned.inheritable)
    if planned.no_new_privs:
        _attempt("setting no_new_privs", c_library.prctl, PR_SET_NO_NEW_PRIVS, 1)


def keep_only(names: Iterable[str]) -> None:
    """Drop every capability except `names`."""
    kept = capabilities.read_sets().permitted & capabilities.mask(names)
    _attempt("setting the capabilities", _capset, kept, kept, 0)


def restore(planned: Plan) -> None:
    """Restore user and capabilities from before `apply`, as far as they are still permitted, after a failed exec.

    Raises:
        PrivilegeError: the kernel refused a step.
    """
    sets = capabilities.read_sets()
    _attempt("setting the capabilities", _capset, sets.permitted, sets.permitted, sets.inheritable)
    before = planned.before
    if before is not None:
        if frozenset(os.getgroups()) != before.groups:
            _attempt("restoring the groups", os.setgroups, sorted(before.groups))
        _attempt(f"restoring group {before.gid}", os.setresgid, before.gid, before.gid, before.gid)
        _attempt(f"restoring user {before.uid}", os.setresuid, before.uid, before.uid, before.uid)


def _is_identity(now: Identity, account: Account) -> bool:
    return (now.uid, now.gid, now.groups) == (account.uid, account.gid, frozenset(account.supplementary))


def _check_switch(now: Identity, account: Account) -> None:
    needed = ["SETUID"] if account.uid != now.uid else []
    if account.gid != now.gid or now.groups != frozenset(account.supplementary):
        needed.append("SETGID")
    missing = now.sets.missing(*needed)
    if missing:
        raise capabilities.missing_error(missing, f"for MOCK_USER={account.uid}:{account.gid}", now.sets)


def _numbers(mask: int) -> list[int]:
    return [number for number in range(len(capabilities.NAMES)) if mask >> number & 1]


def _names(mask: int) -> str:
    return ", ".join(capabilities.NAMES[number] for number in _numbers(mask))


def _attempt(action: str, function: Callable[..., object], *arguments: object) -> None:
    try:
        function(*arguments)
    except OSError as error:
        # setresuid(2) and similar calls fail with EINVAL for an id that the user namespace does not map.
        hint = " (this container's user namespace does not have this id)" if error.errno == errno.EINVAL else ""
        raise PrivilegeError(f"{action} for the application failed: {error.strerror}{hint}") from error


def _capset(permitted: int, effective: int, inheritable: int) -> None:
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    low, high = ([value >> shift & 0xFFFFFFFF for value in (effective, permitted, inheritable)] for shift in (0, 32))
    c_library.capset(header, struct.pack("=6I", *low, *high))
