"""Command line and environment become one frozen, trusted value, or every bad setting is named at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Backend = Literal["auto", "legacy", "nft"]
RouteMode = Literal["auto", "nat", "route", "none"]
LogLevel = Literal["debug", "info", "warning", "error"]
Action = Literal["start", "init", "remove", "doctor", "version", "help"]


@dataclass(frozen=True, slots=True)
class ShimConfig:
    """What one run of the shim is asked to do; `hostname` is without brackets, names in `drop_caps` without `CAP_`."""

    action: Action
    command: tuple[bytes, ...]
    hostname: str
    port: int
    timeout_seconds: float
    log_level: LogLevel
    backend: Backend
    route: RouteMode
    ipv6: bool
    follow: bool
    user: str | None
    keep_caps: bool
    drop_caps: frozenset[str]
    no_new_privs: bool


def load(argv: Sequence[bytes], environ: Sequence[bytes]) -> ShimConfig:
    """Read the arguments after the program's name and raw `NAME=value` environment entries.

    Raises:
        UsageError: no command, or an unknown option.
        ConfigError: one or more settings are wrong; the message names each.
    """
    raise NotImplementedError
