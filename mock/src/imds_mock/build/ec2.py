"""Builds configurations with the behaviour of EC2: leaves, the agents of containers, and snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from imds_mock.agents.container_role import ContainerRole
from imds_mock.agents.dispatch import ContainerAgents
from imds_mock.agents.task_protection import ProtectedTasks
from imds_mock.build.built_config import BuiltConfig
from imds_mock.build.eks_token import eks_token
from imds_mock.build.leaves import derived_leaves, overridden
from imds_mock.config.errors import ConfigError, SettingError
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.metadata.instance import derive
from imds_mock.service.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.agents.task_endpoint import KnownContainers
    from imds_mock.config.facts import InstanceSettings
    from imds_mock.config.roles import CredentialSettings
    from imds_mock.config.settings import Config
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.metadata.instance import Instance
    from imds_mock.metadata.tree import Leaf
    from imds_mock.signing.signer import Signer


class Ec2Builder:
    """Builds configurations with the behaviour of EC2, ECS and EKS.

    Args:
        started: When the mock started, in seconds since the epoch.
        signer: Signs the identity document.
        refreshable_for: Provides the credentials of a request, kept up to date.
        known_containers: The containers that the mock knows; None if it knows none.
        log: Receives a sentence about a token that cannot be read.
    """

    def __init__(
        self,
        started: float,
        signer: Signer,
        refreshable_for: Callable[[CredentialRequest], RefreshableCredentials] = NotRefreshed,
        known_containers: KnownContainers | None = None,
        log: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._started = started
        self._signer = signer
        self._protected_tasks = ProtectedTasks()
        self._refreshable_for = refreshable_for
        self._known_containers = known_containers
        self._log = log
        # Most changes leave the facts alone, and the values derived from them take the longest to build.
        self._derived: tuple[InstanceSettings, CredentialSettings, Instance, Mapping[str, Leaf]] | None = None

    def build(self, config: Config) -> BuiltConfig:
        """Build a configuration.

        Raises:
            ConfigError: Its settings contradict each other.
        """
        try:
            instance, derived = self._derive(config)
            leaves, labels = overridden(config, instance, derived)
            role = ContainerRole(instance, config.credentials, self._refreshable_for)
            token = eks_token(config.eks, self._log)
            agents = ContainerAgents(role, config.ecs, token, self._known_containers, self._protected_tasks)
        except SettingError as error:
            raise ConfigError(str(error), error.path) from error

        def build_snapshot(laid: Mapping[str, Leaf]) -> Snapshot:
            snapshot = Snapshot.build(
                laid,
                labels,
                config.metadata_options,
                instance_id=instance.instance_id,
                started=instance.pending_time,
            )
            return replace(snapshot, versions=config.versions or snapshot.versions, agents=agents)

        return BuiltConfig(leaves, build_snapshot)

    def _derive(self, config: Config) -> tuple[Instance, Mapping[str, Leaf]]:
        known = self._derived
        if known is None or known[:2] != (config.instance, config.credentials):
            instance = derive(config.instance, self._started)
            derived = derived_leaves(config, instance, self._signer, self._refreshable_for)
            known = self._derived = (config.instance, config.credentials, instance, derived)
        return known[2:]

    def reset(self) -> None:
        """Forget which ECS tasks are protected from scale-in."""
        self._protected_tasks.clear()
