"""The builder of a run: it turns each configuration into what is served, as its setting `compatibility` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.build.ec2 import Ec2Builder
from imds_mock.credentials.refreshable import NotRefreshed

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.agents.task_endpoint import KnownContainers
    from imds_mock.build.aemm import AemmBuilder
    from imds_mock.build.built_config import BuiltConfig
    from imds_mock.config.settings import Config
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.signing.signer import Signer


class SnapshotBuilder:
    """Builds configurations for the real service, or for amazon-ec2-metadata-mock.

    Args:
        started: When the mock started, in seconds since the epoch.
        signer: Signs the identity document.
        reason: Why amazon-ec2-metadata-mock's data is served, for the start message.
        refreshable_for: Provides the credentials of a request, kept up to date.
        known_containers: The containers that the mock knows; None if it knows none.
        log: Receives a sentence about a token that cannot be read.
    """

    def __init__(  # noqa: PLR0913 - passed by keyword
        self,
        *,
        started: float,
        signer: Signer,
        reason: str,
        refreshable_for: Callable[[CredentialRequest], RefreshableCredentials] = NotRefreshed,
        known_containers: KnownContainers | None = None,
        log: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._started = started
        self._reason = reason
        self._refreshable_for = refreshable_for
        self._ec2 = Ec2Builder(started, signer, refreshable_for, known_containers, log)
        self._aemm: AemmBuilder | None = None

    def build(self, config: Config) -> BuiltConfig:
        """Build a configuration.

        Raises:
            ConfigError: Its settings contradict each other.
        """
        if config.compatibility != "aemm":
            return self._ec2.build(config)
        if self._aemm is None:
            from imds_mock.build.aemm import AemmBuilder  # noqa: PLC0415 - the real service needs none of it

            self._aemm = AemmBuilder(self._started, self._reason, self._refreshable_for)
        return self._aemm.build(config)

    def reset(self) -> None:
        """Forget what callers have changed."""
        self._ec2.reset()
