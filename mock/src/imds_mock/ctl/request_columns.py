"""The columns in which `ctl` shows recorded requests, and the text that names a caller."""

from __future__ import annotations

from typing import Any, Final

from imds_mock.ctl.columns import Column, brief_caller, brief_time, fault_style, status_style, version_style

NAMES: Final = ("time", "caller", "method", "written", "status", "version", "token", "microseconds", "faults")
"""The columns of requests for programs."""

COLUMNS: Final = (
    Column("time", brief=brief_time),
    Column("caller", minimum=13, brief=brief_caller),
    Column("method"),
    Column("written", "PATH", minimum=30),
    Column("status", style=status_style),
    Column("version", "IMDS", style=version_style),
    Column("token", rank=2),
    Column("microseconds", "µs", rank=3),
    Column("faults", minimum=8, is_optional=True, style=fault_style),
)
"""The columns of requests on a terminal."""


def named(entry: dict[str, Any]) -> dict[str, Any]:
    """A recorded request with its caller's address and name in one text."""
    return {**entry, "caller": caller_name(entry)}


def caller_name(entry: dict[str, Any]) -> str:
    """A caller's address with its container name, or else its instance id, which distinguish replicas."""
    which = entry["names"][0] if entry["names"] else entry["instance_id"]
    return f"{entry['caller']} ({which})" if which else str(entry["caller"])
