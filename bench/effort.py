"""How much is measured."""

from __future__ import annotations

from typing import Final, NamedTuple


class Effort(NamedTuple):
    """The effort of all measurements.

    Attributes:
        rounds: Rounds in which the measured side and its reference alternate.
        seconds: Length of each load.
        starts: Number of starts whose time is measured.
        rests: Number of mocks whose memory at rest is measured.
        requests: Number of requests, and of tokens, after which memory is measured.
        asked: Number of requests that many callers send in a round.
        connections: Numbers of connections.
        has_aemm: Whether amazon-ec2-metadata-mock is measured.
        has_containers: Whether images are built and containers started.
        by_processor_time: Whether processor time is compared instead of elapsed time.
    """

    rounds: int
    seconds: int
    starts: int
    rests: int
    requests: int
    asked: int
    connections: tuple[int, ...]
    has_aemm: bool
    has_containers: bool
    by_processor_time: bool = False

    @property
    def rate(self) -> str:
        """The attribute of a sample that is compared as requests per second."""
        return "processor_rate" if self.by_processor_time else "rate"


FULL: Final = Effort(5, 1, 25, 3, 1_000_000, 20_000, (16, 64), has_aemm=True, has_containers=True)
QUICK: Final = Effort(1, 1, 5, 1, 100_000, 6_000, (16,), has_aemm=False, has_containers=False)

LEFT_OUT: Final = "left out of this run"
