"""How the limit of open files is shared: the data plane comes first, and the control plane gets what it can spare."""

from __future__ import annotations

import contextlib
import resource
from typing import Final, NamedTuple

OWN: Final = 32
"""Listeners, event loop, logs, look-ups, the process that makes keys, and files that are read: some 20 at once."""

CONTROL_CONNECTIONS: Final = 48
"""Connections of each of the control plane's two listeners, where the limit allows it."""

_CONTROL_SHARE: Final = 8
_FEWEST_CONTROL: Final = 2


class Shares(NamedTuple):
    """How many connections may be open.

    Attributes:
        data: Connections of the data plane.
        control: Connections of each of the control plane's two listeners.
    """

    data: int
    control: int


def shares(wanted: int, *, with_control: bool) -> Shares:
    """Raise the limit of open files as far as allowed, and share it.

    Args:
        wanted: Connections that the data plane is to have.
        with_control: Whether there is a control plane.
    """
    control = CONTROL_CONNECTIONS if with_control else 0
    needed = OWN + wanted + 2 * control
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return Shares(wanted, control)
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    left = soft - OWN
    control = min(control, max(_FEWEST_CONTROL, left // _CONTROL_SHARE))
    return Shares(max(1, min(wanted, left - 2 * control)), control)
