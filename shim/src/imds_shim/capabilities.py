"""Linux capabilities: their names, and which of them this process has.

Numbers from include/uapi/linux/capability.h; the sets as the kernel prints them in /proc/self/status.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imds_shim.record import Record
from imds_shim.textfile import read_if_there

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
"""Names without their `CAP_`, as compose's `cap_add` takes them; the index is the capability's number."""

NUMBERS = {name: number for number, name in enumerate(NAMES)}


class CapabilitySets(Record):
    """The five sets of one thread, each a bit mask (bit n is capability number n)."""

    inheritable: int
    permitted: int
    effective: int
    bounding: int
    ambient: int

    def missing(self, *names: str) -> tuple[str, ...]:
        """Those of `names` that are not effective."""
        return tuple(name for name in names if not self.effective >> NUMBERS[name] & 1)


def read_sets(status: str = "/proc/self/status") -> CapabilitySets:
    """The sets of this process; one without /proc mounted is taken to have none."""
    text = read_if_there(status)
    found = dict(line.split(":", 1) for line in text.splitlines() if line.startswith("Cap"))
    fields = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return CapabilitySets(*(int(found.get(field, "0"), 16) for field in fields))


def options_of_docker_run(names: Iterable[str]) -> str:
    """Return the options that give a container these capabilities."""
    return " ".join(f"--cap-add {name}" for name in names)


def how_to_get(names: tuple[str, ...], sets: CapabilitySets) -> str:
    """The sentence that says what to change so that the shim has `names`, which it lacks."""
    listed = ", ".join(names)
    options = options_of_docker_run(names)
    user = os.geteuid()
    if user != 0:
        return (
            f"the container starts as user {user}, who has no capabilities: take `user:` out of the compose file and "
            f"set MOCK_USER={user} instead and add `cap_add: [{listed}]` (docker run: {options} --env MOCK_USER={user} "
            "in place of --user); the shim gives both up. A network with link_local_ips needs no capability"
        )
    if any(not sets.bounding >> NUMBERS[name] & 1 for name in names):
        return f"add `cap_add: [{listed}]` to this service in the compose file (docker run: {options})"
    return f"something took {listed} away before the shim started: make the shim the first program of the container"
