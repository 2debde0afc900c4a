"""An immutable snapshot: everything that a caller's responses are made from.

A change builds a new snapshot and replaces one reference. A request uses one snapshot, so it never sees half a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from msgspec import field

from imds_mock.metadata.tree import VERSIONS, Leaf, Tree
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.config.settings import MetadataOptions
    from imds_mock.service.messages import Request, Response

_TAGS: Final = "meta-data/tags/"


class Agents(Protocol):
    """The container agents (ECS and EKS Pod Identity), which have their own addresses."""

    def respond(self, request: Request, tree: Tree, caller: str, now: float) -> Response:
        """Return the response to a request for an agent.

        Args:
            request: The request; its `agent` is not empty.
            tree: The metadata of the container's instance.
            caller: The caller's IP address.
            now: Wall-clock time in seconds since the epoch.
        """


class Compatibility(Record, frozen=True):
    """How responses differ from the real service's, to be compatible with another mock.

    Attributes:
        name: Shown when the mock starts.
        reason: Why this compatibility is on, shown when the mock starts; empty for the real service.
        responses_by_status: Status (400, 401 or 404) to the response sent instead of the service's own.
        listing_suffixes: Request path of a listing to the bytes appended to it.
        visible_to: Request path of a leaf to a predicate that decides, by the caller's address, whether the leaf exists
            for the caller. The leaf's body must be a function of the time, so that each request looks it up.
        malformed_response: The response to bytes that cannot be parsed; None for the service's own.
    """

    name: str
    reason: str = ""
    responses_by_status: Mapping[int, Response] = field(default_factory=dict)
    listing_suffixes: Mapping[str, bytes] = field(default_factory=dict)
    visible_to: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)
    malformed_response: Response | None = None


IMDS: Final = Compatibility("imds")
"""The real service."""


class Snapshot(Record, frozen=True, eq=False):
    """Everything that one caller's responses are made from.

    Attributes:
        tree: The instance's metadata.
        options: The instance's metadata options.
        instance: The instance id, which session tokens are bound to.
        started: Start of the instance in seconds since the epoch.
        versions: The listing of `GET /`.
        compatibility: Differences from the real service.
        agents: The container agents; None if there are none, and then the `Host` header is ignored.
        responses: Path to a response, which is valid from its `start` to its `end`; filled while serving.
        mark: Identifies the snapshot, also after its end.
    """

    tree: Tree
    options: MetadataOptions
    instance: bytes
    started: float
    versions: tuple[str, ...] = VERSIONS
    compatibility: Compatibility = IMDS
    agents: Agents | None = None
    responses: dict[str, Response] = field(default_factory=dict)
    mark: object = field(default_factory=object)

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
        """Build a snapshot; it contains the instance's tags only if the metadata options enable them.

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
