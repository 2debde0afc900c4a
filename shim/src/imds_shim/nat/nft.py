"""nf_tables through libnftables (ctypes), for kernels without the legacy tables and containers without NET_RAW.

The shim's rules are in its own tables, `ip imds_shim` and `ip6 imds_shim`, which are removed with their last rule:

    table ip imds_shim {
        chain output {
            type nat hook output priority -101; policy accept;
            ip daddr 169.254.169.254 tcp dport 80 dnat to IP:PORT comment "imds-shim"
        }
    }

By its priority the chain decides before every ordinary nat chain (-100). Commands are text and output is JSON, as
libnftables(3) and libnftables-json(5) describe.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from imds_shim import capabilities
from imds_shim.endpoints import IPV4
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.nat.netlink import Netlink, attribute
from imds_shim.nat.rule import DnatRule
from imds_shim.without_enums import socket

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "nft"
TAG = "imds-shim"
TABLE = "imds_shim"
CHAIN = "output"
PRIORITY = -101
LIBRARY = "libnftables.so.1"
FAMILIES = {4: "ip", 6: "ip6"}

# nftables/libnftables.h and include/uapi/linux/netfilter: nfnetlink.h, nf_tables.h
NFT_CTX_DEFAULT = 0
NFT_CTX_OUTPUT_JSON, NFT_CTX_OUTPUT_HANDLE = 1 << 4, 1 << 3
NETLINK_NETFILTER = 12
NFT_MSG_GETTABLE = 10 << 8 | 1
NFTA_TABLE_NAME = 1
_NFGENMSG = struct.Struct("=BBH")  # family, version, resource id


class NftTable:
    """`backend.NatBackend` over the shim's nf_tables tables of both IP versions."""

    name = NAME

    def check_usable(self) -> None:
        """Let the kernel check the table and a rule without committing them.

        Raises:
            PrivilegeError: NET_ADMIN is missing.
            KernelRefusedError: the kernel has no nf_tables NAT, or libnftables is not installed.
        """
        # First without libnftables, which ends the whole process if the kernel lacks nfnetlink, and without NET_ADMIN
        # writes to standard error instead of the error buffer.
        _table_exists(4)
        self._run(_commands(4, [], [DnatRule(ip_address("192.0.2.1"), 80, ip_address("192.0.2.2"), 80)]), dry=True)

    def remove_trial(self) -> None:
        """Do nothing, because `check_usable` commits nothing."""

    def own_rules(self) -> Sequence[DnatRule]:
        """Return the shim's rules of both IP versions."""
        return [rule for version in FAMILIES for rule, _ in self._own_rules(version)]

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        """Replace rules in one transaction over both IP versions; remove a table that becomes empty."""
        commands = ""
        for version, family in FAMILIES.items():
            listed = list(self._own_rules(version))
            handles = []
            for rule in remove:
                match = next((entry for entry in listed if entry[0] == rule), None)
                if match is not None:
                    listed.remove(match)
                    handles.append(match[1])
            added = [rule for rule in add if rule.destination.version == version]
            if handles and not listed and not added:
                commands += f"delete table {family} {TABLE}\n"
            elif handles or added:
                commands += _commands(version, handles, added)
        if commands:
            self._run(commands)

    def _own_rules(self, version: int) -> list[tuple[DnatRule, int]]:
        """Return the shim's rules of one IP version with their handles."""
        if not _table_exists(version):
            return []
        import json

        listing = json.loads(self._run(f"list table {FAMILIES[version]} {TABLE}\n"))
        found = []
        for item in listing["nftables"]:
            rule = parse(item["rule"]) if "rule" in item else None
            if rule is not None:
                found.append((rule, item["rule"]["handle"]))
        return found

    def _run(self, commands: str, *, dry: bool = False) -> str:
        library = _library()
        # Freed after each call, because its netlink socket would stay open after exec.
        context = library.nft_ctx_new(NFT_CTX_DEFAULT)
        if not context:
            raise KernelRefusedError("libnftables cannot be initialized.")
        try:
            library.nft_ctx_buffer_output(context)
            library.nft_ctx_buffer_error(context)
            library.nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE)
            library.nft_ctx_set_dry_run(context, dry)
            failed = library.nft_run_cmd_from_buffer(context, commands.encode())
            if failed:
                raise _to_error(library.nft_ctx_get_error_buffer(context).decode(errors="replace"))
            output: bytes = library.nft_ctx_get_output_buffer(context)
            return output.decode()
        finally:
            library.nft_ctx_free(context)


def parse(rule: dict[str, Any]) -> DnatRule | None:
    """Return the rule in libnftables' JSON, or None if the shim does not write rules of this form."""
    if rule.get("chain") != CHAIN or rule.get("comment") != TAG:
        return None
    match rule.get("expr"):
        case [
            {
                "match": {
                    "op": "==",
                    "left": {"payload": {"protocol": "ip" | "ip6", "field": "daddr"}},
                    "right": str(destination),
                }
            },
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": int(port)}},
            {"dnat": {"addr": str(to_address), "port": int(to_port)}},
        ]:
            return DnatRule(ip_address(destination), port, ip_address(to_address), to_port)
    return None


def _commands(version: int, remove: Sequence[int], add: Sequence[DnatRule]) -> str:
    """Return commands for one IP version that create table and chain, delete rules by handle and add rules."""
    family = FAMILIES[version]
    chain = f"{family} {TABLE} {CHAIN}"
    lines = [
        f"add table {family} {TABLE}",
        f"add chain {chain} {{ type nat hook output priority {PRIORITY}; policy accept; }}",
        *(f"delete rule {chain} handle {handle}" for handle in remove),
        *(f"add rule {chain} {_expression(rule)}" for rule in add),
    ]
    return "\n".join(lines) + "\n"


def _expression(rule: DnatRule) -> str:
    six = isinstance(rule.destination, IPv6Address)
    to = f"[{rule.to_address}]" if six else f"{rule.to_address}"
    family = "ip6" if six else "ip"
    return (
        f"{family} daddr {rule.destination} tcp dport {rule.destination_port} "
        f'dnat to {to}:{rule.to_port} comment "{TAG}"'
    )


def _table_exists(version: int) -> bool:
    """Whether the shim's table exists; takes 0.1 ms, while loading libnftables takes 5 ms."""
    family = socket.AF_INET if version == IPV4 else socket.AF_INET6
    name = attribute(NFTA_TABLE_NAME, TABLE.encode() + b"\0")
    try:
        with Netlink(NETLINK_NETFILTER) as kernel:
            kernel.request(NFT_MSG_GETTABLE, _NFGENMSG.pack(family, 0, 0) + name)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        if error.errno == errno.EPERM:
            raise _to_error(str(error.strerror)) from error
        raise KernelRefusedError(f"this kernel has no nf_tables ({error.strerror}).") from error
    return True


def _to_error(said: str) -> ShimError:
    # After the first line, libnftables quotes the command.
    reason = said.strip().splitlines()[0].removeprefix("Error: ") if said.strip() else "no reason given"
    if "Operation not permitted" in reason:
        sets = capabilities.read_sets()
        missing = sets.missing("NET_ADMIN")
        if missing:
            return capabilities.missing_error(missing, "for nf_tables", sets)
        from imds_shim.surroundings import here

        return PrivilegeError(
            "the kernel refuses access to nf_tables despite NET_ADMIN: this network namespace belongs to another user "
            f"namespace {here().foreign_namespace}"
        )
    return KernelRefusedError(f"nf_tables refused the rule: {reason}.")


_loaded: ctypes.CDLL | None = None


def _library() -> ctypes.CDLL:
    global _loaded  # noqa: PLW0603 - a library is loaded once per process
    if _loaded is None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise KernelRefusedError(f"nf_tables cannot be used: {error}.") from error
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        library.nft_ctx_new.restype, library.nft_ctx_new.argtypes = pointer, [ctypes.c_uint32]
        library.nft_ctx_free.restype, library.nft_ctx_free.argtypes = None, [pointer]
        library.nft_ctx_buffer_output.argtypes = library.nft_ctx_buffer_error.argtypes = [pointer]
        library.nft_ctx_get_output_buffer.restype = library.nft_ctx_get_error_buffer.restype = text
        library.nft_ctx_get_output_buffer.argtypes = library.nft_ctx_get_error_buffer.argtypes = [pointer]
        library.nft_ctx_output_set_flags.restype = None
        library.nft_ctx_output_set_flags.argtypes = [pointer, ctypes.c_uint]
        library.nft_ctx_set_dry_run.restype, library.nft_ctx_set_dry_run.argtypes = None, [pointer, ctypes.c_bool]
        library.nft_run_cmd_from_buffer.argtypes = [pointer, text]
        _loaded = library
    return _loaded
