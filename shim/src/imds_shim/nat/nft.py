"""nf_tables, through libnftables by ctypes: for kernels without the legacy tables, and containers without NET_RAW.

Our rules are in tables of our own, `ip imds_shim` and `ip6 imds_shim`, which take nothing from anybody else's and go
away whole:

    table ip imds_shim {
        chain output {
            type nat hook output priority -101; policy accept;
            ip daddr 169.254.169.254 tcp dport 80 dnat to IP:PORT comment "imds-shim"
        }
    }

The priority lets it decide before every ordinary nat table (-100), whose rules stay as they are. Text goes in and JSON
comes out, as libnftables(3) and libnftables-json(5) describe.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from imds_shim import capabilities
from imds_shim.errors import KernelRefusedError, PrivilegeError, ShimError
from imds_shim.nat.netlink import Netlink, attribute
from imds_shim.nat.rule import DnatRule

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
    """`rule.NatTable` over our own nf_tables tables of both address families."""

    name = NAME

    def try_out(self) -> None:
        """Let the kernel check our table and a rule in it, and take nothing of it on.

        Raises:
            PrivilegeError: NET_ADMIN is missing.
            KernelRefusedError: the kernel has no nf_tables NAT, or libnftables is not installed.
        """
        # Asked without libnftables first: it ends the whole process where the kernel has no nfnetlink, and without the
        # capability it writes to standard error past the buffer that it was given.
        _table_exists(4)
        self._run(_batch(4, [], [DnatRule(ip_address("192.0.2.1"), 80, ip_address("192.0.2.2"), 80)]), dry=True)

    def remove_trial(self) -> None:
        """Do nothing: the kernel has taken nothing of a trial on."""

    def ours(self) -> Sequence[DnatRule]:
        """Our rules of both families."""
        return [rule for version in FAMILIES for rule, _ in self._listed(version)]

    def replace(self, remove: Sequence[DnatRule], add: Sequence[DnatRule]) -> None:
        """One transaction over both families; a table that is left without a rule goes."""
        commands = ""
        for version, family in FAMILIES.items():
            listed = list(self._listed(version))
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
                commands += _batch(version, handles, added)
        if commands:
            self._run(commands)

    def _listed(self, version: int) -> list[tuple[DnatRule, int]]:
        """Our rules of one family with their handles."""
        if not _table_exists(version):
            return []
        import json  # noqa: PLC0415 - most starts find no table of ours here

        listing = json.loads(self._run(f"list table {FAMILIES[version]} {TABLE}\n"))
        found = []
        for item in listing["nftables"]:
            rule = parse(item["rule"]) if "rule" in item else None
            if rule is not None:
                found.append((rule, item["rule"]["handle"]))
        return found

    def _run(self, commands: str, *, dry: bool = False) -> str:
        library = _library()
        # A context holds a netlink socket that is not closed by exec, so none outlives its commands.
        context = library.nft_ctx_new(NFT_CTX_DEFAULT)
        if not context:
            raise KernelRefusedError("libnftables could not be started.")
        try:
            library.nft_ctx_buffer_output(context)
            library.nft_ctx_buffer_error(context)
            library.nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE)
            library.nft_ctx_set_dry_run(context, dry)
            failed = library.nft_run_cmd_from_buffer(context, commands.encode())
            if failed:
                raise _explained(library.nft_ctx_get_error_buffer(context).decode(errors="replace"))
            output: bytes = library.nft_ctx_get_output_buffer(context)
            return output.decode()
        finally:
            library.nft_ctx_free(context)


def parse(rule: dict[str, Any]) -> DnatRule | None:
    """The rule in libnftables' JSON, if it has exactly the form this program writes."""
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


def _batch(version: int, remove: Sequence[int], add: Sequence[DnatRule]) -> str:
    """Commands for one family: the table and chain if they are not there, then rules by handle, then new ones."""
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
    """Ask for the table by name: a tenth of a millisecond, while loading libnftables costs five."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6  # noqa: PLR2004 - IP version
    name = attribute(NFTA_TABLE_NAME, TABLE.encode() + b"\0")
    try:
        with Netlink(NETLINK_NETFILTER) as kernel:
            kernel.ask(NFT_MSG_GETTABLE, _NFGENMSG.pack(family, 0, 0) + name)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        if error.errno == errno.EPERM:
            raise _explained(str(error.strerror)) from error
        raise KernelRefusedError(f"this kernel has no nf_tables ({error.strerror}).") from error
    return True


def _explained(said: str) -> ShimError:
    # libnftables marks the place in the command on the lines that follow the first.
    reason = said.strip().splitlines()[0].removeprefix("Error: ") if said.strip() else "no reason given"
    if "Operation not permitted" in reason:
        sets = capabilities.read_sets()
        missing = sets.missing("NET_ADMIN")
        if missing:
            how = capabilities.how_to_get(missing, sets)
            return PrivilegeError("nf_tables needs NET_ADMIN, which this container lacks", how, missing)
        return PrivilegeError(
            "nf_tables is refused although NET_ADMIN is there: this network namespace belongs to another user "
            "namespace (network_mode: host in a rootless engine, say)"
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
