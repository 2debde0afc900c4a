"""Imports what every start uses, for the tree's snapshot."""

from __future__ import annotations

from imds_shim import import_stubs

import_stubs.load("dns.message")
__import__("dns.rdtypes.IN.A")
import_stubs.load("httpx")

for _name in (
    *("capabilities", "cli", "emulation", "exec.accounts", "exec.handoff", "exec.privileges", "exec.requirements"),
    *("nat.backend", "nat.lock", "nat.policy_routing", "nat.route", "nat.rule"),
    *("network.nameserver", "network.probe", "network.verify", "output", "sdk_overrides"),
):
    __import__(f"imds_shim.{_name}")

LATER = (
    *("ctypes", "ctypes._endian", "iptc", "iptc.errors", "iptc.ip4tc"),
    *("imds_shim.nat.legacy", "imds_shim.nat.nft", "imds_shim.nat.xtables_entry", "imds_shim.nat.xtables_library"),
)
"""Modules that import ctypes. An extension module is at another address in each process, so only their code is kept."""
