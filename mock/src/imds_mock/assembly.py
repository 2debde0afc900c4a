"""From a configuration to what is served: leaves and their snapshot, under one signer and one start time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imds_mock.config_errors import ConfigError, SettingError
from imds_mock.instance import derive
from imds_mock.leaves import build_leaves
from imds_mock.state import Described
from imds_mock.store import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.settings import Config
    from imds_mock.signing import Signer
    from imds_mock.tree import Leaf


class Assembly:
    """What outlives a change of the configuration.

    Args:
        started: When the mock started, in seconds since the epoch.
        signer: What signs the identity document.
    """

    def __init__(self, started: float, signer: Signer) -> None:
        self._started = started
        self.signer = signer

    def describe(self, config: Config) -> Described:
        """Turn a configuration into leaves and a way to make snapshots of them.

        Raises:
            ConfigError: Its facts contradict each other.
        """
        try:
            leaves, labels = build_leaves(config, started=self._started, signer=self.signer)
            instance = derive(config.instance, self._started)
        except SettingError as error:
            raise ConfigError(str(error), error.path) from error

        def build(laid: Mapping[str, Leaf]) -> Snapshot:
            snapshot = Snapshot.build(
                laid,
                labels,
                config.metadata_options,
                instance_id=instance.instance_id,
                started=instance.pending_time,
            )
            return snapshot if config.versions is None else replace(snapshot, versions=config.versions)

        return Described(leaves, build)

    def snapshot(self, config: Config) -> Snapshot:
        """The snapshot of a configuration.

        Raises:
            ConfigError: Its facts contradict each other.
        """
        described = self.describe(config)
        return described.build(described.leaves)
