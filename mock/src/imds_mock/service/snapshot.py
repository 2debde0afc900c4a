"""The current state as one immutable snapshot; a change builds a new one and swaps one reference.

A request takes one snapshot at its beginning and never sees half of a change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from imds_mock.metadata.tree import VERSIONS, Leaf, Tree
from imds_mock.service.compatibility import IMDS, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.config.settings import MetadataOptions
    from imds_mock.service.messages import Request, Response

_TAGS: Final = "meta-data/tags/"


class Agents(Protocol):
    """What containers ask at addresses of their own."""

    def respond(self, request: Request, tree: Tree, caller: str, now: float) -> Response:
        """Answer a request for one of them.

        Args:
            request: The request; its agent is one of containers.
            tree: The metadata of the instance that the container has.
            caller: Address of the peer.
            now: Wall-clock time in seconds since the epoch.
        """


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the answers to one caller are made from.

    Attributes:
        tree: The instance's metadata.
        options: The instance's metadata options.
        instance: What session tokens are bound to: the instance id.
        started: Start of the instance in seconds since the epoch.
        versions: What `GET /` lists.
        profile: What differs from the real service.
        agents: What containers ask at addresses of their own; None: there is nothing, `Host` is not looked at.
        rendered: Answers that hold as long as the snapshot does, by path; filled while serving.
    """

    tree: Tree
    options: MetadataOptions
    instance: bytes
    started: float
    versions: tuple[str, ...] = VERSIONS
    profile: Profile = IMDS
    agents: Agents | None = None
    rendered: dict[str, Response] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def build(
        cls,
        leaves: Mapping[str, Leaf],
        labels: Mapping[str, str],
        options: MetadataOptions,
        *,
        instance_id: str,
        started: float,
    ) -> Snapshot:
        """Build a snapshot; instance tags are part of it only where the options show them.

        Args:
            leaves: Path relative to the version to leaf.
            labels: Path of a category to its name in its parent's listing.
            options: The instance's metadata options.
            instance_id: The instance's id.
            started: Start of the instance in seconds since the epoch.

        Raises:
            ValueError: The paths contradict each other (see `Tree`).
        """
        if options.instance_metadata_tags == "disabled":
            leaves = {path: leaf for path, leaf in leaves.items() if not path.startswith(_TAGS)}
        return cls(Tree(leaves, labels), options, instance_id.encode(), started)


class Store:
    """Holds the current snapshot.

    Args:
        snapshot: The first one.
    """

    __slots__ = ("current",)

    def __init__(self, snapshot: Snapshot) -> None:
        self.current = snapshot

    def swap(self, snapshot: Snapshot) -> None:
        """Put another snapshot in place for every request that begins from now on."""
        self.current = snapshot
