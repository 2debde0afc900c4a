"""What a mock uses of the process around it."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.log import Outlet
    from imds_mock.signing.signer import Signer


def _discard(_sentence: str) -> None:
    """Log nothing."""


class Dependencies(Record, frozen=True, kw_only=True):
    """What a mock uses of the process around it. The defaults print nothing and share nothing between mocks.

    Attributes:
        clock: The real time in seconds since the epoch; `Mock.clock` can differ from it.
        monotonic: Monotonic clock in seconds, for the look-ups of callers. Timeouts use the event loop's clock.
        random: Returns a number from 0 to 1, for the probability of faults and the times of retries.
        log: Receives a sentence about the mock itself.
        log_limited: Receives a sentence that a caller can cause, so it may come often.
        access_log: Receives the access log unless a file is configured; None writes none.
        socket_folders: Folders for the control plane's Unix socket if the configuration does not name its path; the
            first usable one is taken. Empty: no Unix socket.
        control_on_demand: Load the control plane's code when its first client connects, not at the start.
        callers: Who the callers are; None asks the kernel and the name server.
        signer: Signs the identity document; None uses the configured folder of keys.
        probe_id: What a probe is answered with; None makes one up.
    """

    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    log: Callable[[str], None] = _discard
    log_limited: Callable[[str], None] = _discard
    access_log: Outlet | None = None
    socket_folders: Sequence[Path] = ()
    control_on_demand: bool = False
    callers: CallerRegistry | None = None
    signer: Signer | None = None
    probe_id: str | None = None
