"""What a configuration describes, as the state needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.metadata.tree import Leaf
    from imds_mock.service.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Described:
    """What a configuration describes.

    Attributes:
        leaves: Its metadata by path, without events.
        build: Builds a snapshot from these leaves, or from others laid over them.
    """

    leaves: Mapping[str, Leaf]
    build: Callable[[Mapping[str, Leaf]], Snapshot]
