"""Imports what every start uses, for the tree's snapshot."""

# ruff: noqa: E402, F401 - the imports are made for their effect, in this order

from __future__ import annotations

from imds_shim import import_stubs

import_stubs.load("httpx")
import_stubs.load("dns.message")
__import__("dns.rdtypes.IN.A")

from imds_shim import capabilities, cli, emulation, output, sdk_overrides
from imds_shim.exec import accounts, handoff, privileges, requirements
from imds_shim.nat import backend, lock, policy_routing, route, rule
from imds_shim.network import nameserver, probe, verify

LATER = (
    *("ctypes", "ctypes._endian", "iptc", "iptc.errors", "iptc.ip4tc"),
    *("imds_shim.nat.legacy", "imds_shim.nat.nft", "imds_shim.nat.xtables_entry", "imds_shim.nat.xtables_library"),
)
"""Modules that import ctypes. An extension module is at another address in each process, so only their code is kept."""
