"""Imports what every start uses, for the tree's snapshot.

Modules that import ctypes are not among it: an extension module is at another address in each process.
"""

from __future__ import annotations

from imds_shim import import_stubs

import_stubs.load("dns.message")
import_stubs.load("httpx")

for _name in (
    *("capabilities", "cli", "emulation", "exec.accounts", "exec.handoff", "exec.privileges", "exec.requirements"),
    *("nat.backend", "nat.lock", "nat.policy_routing", "nat.route", "nat.rule"),
    *("network.nameserver", "network.probe", "network.verify", "output", "sdk_overrides"),
):
    __import__(f"imds_shim.{_name}")
