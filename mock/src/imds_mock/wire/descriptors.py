"""Shares the limit of open files: the data plane gets its connections first, and the control plane gets the rest."""

from __future__ import annotations

import contextlib
import resource
from typing import Final, NamedTuple

from imds_mock.errors import MockError

OWN: Final = 32
"""Descriptors for listeners, event loop, logs, look-ups, the signing process and files; about 20 are open at once."""

CONTROL_CONNECTIONS: Final = 48
"""Connections of each of the control plane's two listeners, if the limit allows it."""

_CONTROL_SHARE: Final = 8
_FEWEST_CONTROL: Final = 2


class ConnectionLimits(NamedTuple):
    """The numbers of connections that may be open.

    Attributes:
        data: Connections of the data plane.
        control: Connections of each of the control plane's two listeners.
    """

    data: int
    control: int


class TooFewDescriptorsError(MockError):
    """The limit of open files does not suffice for the mock itself.

    Args:
        limit: The limit.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the limit of open files is {limit}, and imds-mock needs at least {OWN}; raise it with `ulimit -n 1024`, "
            "or in Compose with `ulimits: {nofile: 1024}`"
        )


def raise_limit(wanted: int, *, with_control: bool) -> None:
    """Raise this process's limit of open files as far as needed and allowed.

    Args:
        wanted: Connections that the data plane should have.
        with_control: The control plane is on.

    Raises:
        TooFewDescriptorsError: It allows fewer than `OWN`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = OWN + wanted + 2 * (CONTROL_CONNECTIONS if with_control else 0)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard)
        )
    check_limit()


def check_limit() -> None:
    """Check that this process's limit of open files suffices for the mock itself.

    Raises:
        TooFewDescriptorsError: It allows fewer than `OWN`.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OWN:
        raise TooFewDescriptorsError(soft)


def connection_limits(wanted: int, *, with_control: bool) -> ConnectionLimits:
    """The numbers of connections that fit into this process's limit of open files.

    Args:
        wanted: Connections that the data plane should have.
        with_control: The control plane is on.
    """
    control = CONTROL_CONNECTIONS if with_control else 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OWN + wanted + 2 * control:
        return ConnectionLimits(wanted, control)
    left = soft - OWN
    control = min(control, max(_FEWEST_CONTROL, left // _CONTROL_SHARE))
    return ConnectionLimits(max(1, min(wanted, left - 2 * control)), control)
