"""A configuration turned into what the state serves: leaves, and a way to make snapshots of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from imds_mock.config.settings import Config
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.metadata.tree import Leaf
    from imds_mock.service.snapshot import Snapshot


class BuiltConfig(Record, frozen=True):
    """What a configuration turns into.

    Attributes:
        leaves: Its metadata by path, without events.
        build_snapshot: Makes a snapshot of these leaves, or of these with events on top.
    """

    leaves: Mapping[str, Leaf]
    build_snapshot: Callable[[Mapping[str, Leaf]], Snapshot]

    def snapshot(self) -> Snapshot:
        """The snapshot without events."""
        return self.build_snapshot(self.leaves)


Build = Callable[[Config], BuiltConfig]
"""Builds a configuration; raises `ConfigError` if its settings contradict each other."""


class Builder(Protocol):
    """Builds the configurations of a run."""

    def build(self, config: Config) -> BuiltConfig:
        """Build a configuration.

        Raises:
            ConfigError: Its settings contradict each other.
        """

    def reset(self) -> None:
        """Forget what callers have changed."""
