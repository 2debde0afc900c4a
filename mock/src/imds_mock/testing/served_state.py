"""What a mock in this process serves: its settings, its metadata by path, and its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imds_mock.build.loading import with_override
from imds_mock.metadata.tree import LATEST
from imds_mock.testing.settings import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.config.settings import Config
    from imds_mock.metadata.tree import Tree
    from imds_mock.run.mock import Mock


class ServedState:
    """Reads and changes what a running mock serves; everything is called on the mock's event loop.

    Args:
        mock: The mock.
    """

    def __init__(self, mock: Mock) -> None:
        self.mock = mock

    @property
    def endpoint_url(self) -> str:
        """URL of the metadata service."""
        return self.mock.endpoint_url

    @property
    def control_url(self) -> str:
        """URL of the control plane."""
        return str(self.mock.control_url)

    def config(self) -> Config:
        """The configuration in force."""
        return self.mock.state.config

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Change settings by name, all of them or none.

        Raises:
            ConfigError: A name is unknown or a value is invalid.
        """
        self.mock.state.configure(changed(self.config(), settings))

    def leaf(self, path: str) -> bytes | None:
        """The body of a leaf; None if there is none."""
        tree = self._tree()
        found = tree.lookup(LATEST, path, self.now())
        return None if found is None or path not in tree.leaves else found.body

    def leaf_paths(self) -> list[str]:
        """The paths of all leaves, sorted."""
        tree, now = self._tree(), self.now()
        return [path for path in sorted(tree.leaves) if tree.lookup(LATEST, path, now) is not None]

    def set_leaf(self, path: str, value: Any) -> bool:
        """Override a path; returns False, without an effect, if nothing exists there with that value.

        Raises:
            ConfigError: The value is invalid.
        """
        before = self.config()
        self.mock.state.configure(with_override(before, path, value))
        if self._exists(path):
            return True
        self.mock.state.configure(before)
        return False

    def remove_leaf(self, path: str) -> bool:
        """Remove a leaf or a category; returns False if there is none."""
        if not self._exists(path):
            return False
        self.mock.state.configure(with_override(self.config(), path, None))
        return True

    def now(self) -> float:
        """The mock's time in seconds since the epoch."""
        return self.mock.state.clock()

    def imdsv1_requests(self, caller: str | None) -> int:
        """Number of requests without a session token, of one caller or of all."""
        return sum(each.times for each in self.mock.queries.imdsv1_calls(caller=caller))

    def _exists(self, path: str) -> bool:
        return self._tree().lookup(LATEST, path, self.now()) is not None

    def _tree(self) -> Tree:
        return self.mock.state.snapshot_for("").tree
