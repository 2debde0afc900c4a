"""How much is measured."""

from __future__ import annotations

from typing import Final, NamedTuple


class Effort(NamedTuple):
    """The effort of all measurements.

    Attributes:
        rounds: Rounds in which the measured side and its reference alternate.
        tail_rounds: The same for rows with a 99th percentile, which a single pause of the machine changes.
        seconds: Length of each load.
        starts: Number of starts of the mock whose time is measured.
        entrypoints: Number of starts of each entrypoint in a running container.
        runs: Number of times that each entrypoint is started with `docker run`.
        rests: Number of mocks whose memory at rest is measured.
        requests: Number of requests, and of tokens, after which memory is measured.
        asked: Number of requests that many callers send in a round.
        connections: Numbers of connections.
        has_aemm: Whether amazon-ec2-metadata-mock is measured.
        has_containers: Whether images are built and containers started.
        by_processor_time: Whether processor time is compared instead of elapsed time.
    """

    rounds: int
    tail_rounds: int
    seconds: int
    starts: int
    entrypoints: int
    runs: int
    rests: int
    requests: int
    asked: int
    connections: tuple[int, ...]
    has_aemm: bool
    has_containers: bool
    by_processor_time: bool = False

    @property
    def for_tails(self) -> Effort:
        """The effort of rows with a 99th percentile."""
        return self._replace(rounds=self.tail_rounds)

    @property
    def rate(self) -> str:
        """The attribute of a sample that is compared as requests per second."""
        return "processor_rate" if self.by_processor_time else "rate"


FULL: Final = Effort(5, 11, 1, 25, 75, 90, 3, 1_000_000, 20_000, (16, 64), has_aemm=True, has_containers=True)
QUICK: Final = Effort(1, 1, 1, 5, 5, 5, 1, 100_000, 6_000, (16,), has_aemm=False, has_containers=False)

LEFT_OUT: Final = "left out of this run"
