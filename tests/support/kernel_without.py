"""A program: runs a command on a kernel that lacks something. Arguments: `legacy`, `nft` or `legacy,nft`, the command.

A seccomp filter makes system calls fail as in a kernel without the feature: socket options of the legacy tables with
ENOPROTOOPT, the netlink family of nf_tables with EPROTONOSUPPORT. Needs CAP_SYS_ADMIN in its user namespace.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SYSTEM_CALLS = {"x86_64": (41, 55, 54), "aarch64": (198, 209, 208)}  # socket, getsockopt, setsockopt
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
ENOPROTOOPT, EPROTONOSUPPORT = 92, 93
SOL_IP, SOL_IPV6, GET_INFO, AF_NETLINK, NETLINK_NETFILTER = 0, 41, 64, 16, 12


def number_at() -> int:
    return 0


def argument_at(index: int) -> int:
    return 16 + 8 * index


def fail_call(number: int, conditions: dict[int, int], error: int) -> list[bytes]:
    """Instructions that fail a system call if its arguments have these values, and continue otherwise."""
    checks = [(number_at(), number), *((argument_at(index), value) for index, value in conditions.items())]
    code = []
    for position, (offset, value) in enumerate(checks):
        left = 2 * (len(checks) - position - 1) + 1
        code.append(struct.pack("=HBBI", LOAD, 0, 0, offset))
        code.append(struct.pack("=HBBI", EQUAL, 0, left, value))
    return [*code, struct.pack("=HBBI", RETURN, 0, 0, REFUSE | error)]


def main() -> None:
    missing, command = sys.argv[1].split(","), sys.argv[2:]
    socket_call, *option_calls = SYSTEM_CALLS[platform.machine()]
    code: list[bytes] = []
    if "legacy" in missing:
        for call in option_calls:
            for level in (SOL_IP, SOL_IPV6):
                code += fail_call(call, {1: level, 2: GET_INFO}, ENOPROTOOPT)
    if "nft" in missing:
        code += fail_call(socket_call, {0: AF_NETLINK, 2: NETLINK_NETFILTER}, EPROTONOSUPPORT)
    code.append(struct.pack("=HBBI", RETURN, 0, 0, ALLOW))
    instructions = ctypes.create_string_buffer(b"".join(code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(instructions))
    if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) != 0:
        sys.exit("cannot set a seccomp filter")
    os.execvp(command[0], command)  # noqa: S606 - that is what this program is for


if __name__ == "__main__":
    main()
