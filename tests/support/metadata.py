"""The metadata of a configured instance, read by path without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.build.leaves import build_leaves
from imds_mock.build.loading import from_document
from imds_mock.metadata.tree import LATEST
from imds_mock.service.snapshot import Snapshot

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer

STARTED: Final = 1_750_000_000.25  # 2025-06-15T15:06:40Z and a quarter


class Metadata:
    """The metadata of an instance.

    Args:
        signer: Signs the identity document.
        document: The configuration.
        facts: Keys of its section `instance`.
    """

    def __init__(self, signer: Signer, document: dict[str, Any] | None = None, **facts: Any) -> None:
        document = dict(document or {})
        if facts:
            document["instance"] = document.get("instance", {}) | facts
        self.config = from_document(document)
        self.leaves, labels = build_leaves(self.config, started=STARTED, signer=signer)
        self.snapshot = Snapshot.build(
            self.leaves,
            labels,
            self.config.metadata_options,
            instance_id=self.config.instance.instance_id,
            started=STARTED,
        )

    def read(self, path: str, version: str = LATEST, now: float = STARTED) -> bytes | None:
        """The body of a leaf or listing, or None if the path is absent."""
        found = self.snapshot.tree.lookup(version, path, now)
        return None if found is None else found.body

    def text(self, path: str, version: str = LATEST, now: float = STARTED) -> str | None:
        """The text of a leaf or listing below `meta-data/`, or None if the path is absent."""
        body = self.read(f"meta-data/{path}" if path else "meta-data", version, now)
        return None if body is None else body.decode()

    def crawl(self, path: str = "", version: str = LATEST, now: float = STARTED) -> dict[str, bytes]:
        """All leaves that the listings lead to, by path.

        Raises:
            AssertionError: A listed path is absent.
        """
        body = self.read(path, version, now)
        assert body is not None, path
        if path in self.leaves:
            return {path: body}
        found: dict[str, bytes] = {}
        for shown in body.decode().split("\n") if body else ():
            name = shown.removesuffix("/")
            name = name.partition("=")[0] if path.endswith("public-keys") else name
            found |= self.crawl(f"{path}/{name}" if path else name, version, now)
        return found
