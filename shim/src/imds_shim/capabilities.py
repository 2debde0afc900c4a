"""Linux capabilities: their names, the sets of this process, and the advice on how to grant one.

Numbers from include/uapi/linux/capability.h; sets from /proc/self/status.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imds_shim.errors import PrivilegeError
from imds_shim.frozen_record import FrozenRecord
from imds_shim.system import read_text_or_empty

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
"""Names without `CAP_`, as Compose's `cap_add` takes them; the index is the capability's number."""

NUMBERS = {name: number for number, name in enumerate(NAMES)}


class CapabilitySets(FrozenRecord):
    """The five capability sets of a thread, each a bit mask (bit n is capability number n)."""

    inheritable: int
    permitted: int
    effective: int
    bounding: int
    ambient: int

    def missing(self, *names: str) -> tuple[str, ...]:
        """Return those of `names` that are not effective."""
        return tuple(name for name in names if not self.effective >> NUMBERS[name] & 1)


def mask(names: Iterable[str]) -> int:
    """Return the bit mask of these capabilities."""
    return sum(1 << NUMBERS[name] for name in names)


def read_sets(status: str = "/proc/self/status") -> CapabilitySets:
    """Return the sets of this process; empty sets if /proc is not mounted."""
    text = read_text_or_empty(status)
    found = dict(line.split(":", 1) for line in text.splitlines() if line.startswith("Cap"))
    fields = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return CapabilitySets(*(int(found.get(field, "0"), 16) for field in fields))


def how_to_grant(names: tuple[str, ...], sets: CapabilitySets) -> str:
    """Return the advice on what to change so that the shim has `names`, which are missing from `sets`."""
    from imds_shim.surroundings import here

    user = os.geteuid()
    if user != 0:
        return here().grant_to_user(names, user)
    if any(not sets.bounding >> NUMBERS[name] & 1 for name in names):
        return here().grant(names)
    listed = ", ".join(names)
    return f"Another program dropped {listed} before the shim started. Make the shim the container's first program"


def missing_error(names: tuple[str, ...], purpose: str, sets: CapabilitySets) -> PrivilegeError:
    """Return the error that `names`, which are missing from `sets`, are needed for `purpose`."""
    what = "is missing; it is needed" if len(names) == 1 else "are missing; they are needed"
    return PrivilegeError(f"{' and '.join(names)} {what} {purpose}", how_to_grant(names, sets), names)
