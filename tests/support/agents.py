"""A container that uses the ECS and EKS agents, without sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from imds_mock.agents.container_role import ContainerRole
from imds_mock.agents.dispatch import ContainerAgents
from imds_mock.build.eks_token import eks_token
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.log import say
from imds_mock.metadata.instance import derive
from imds_mock.service.messages import ECS, EKS, Request, Response
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from support.metadata import STARTED, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.agents.task_endpoint import KnownContainers
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.service.snapshot import Snapshot
    from imds_mock.signing.signer import Signer

CREDENTIALS_PATH = "iam/security-credentials/my-role"


class Container:
    """One container, its metadata and its agents."""

    def __init__(
        self,
        signer: Signer,
        document: dict[str, Any] | None = None,
        refreshable_for: Callable[[CredentialRequest], RefreshableCredentials] = NotRefreshed,
        known_containers: KnownContainers | None = None,
    ) -> None:
        self.metadata = Metadata(signer, document)
        config = self.metadata.config
        role = ContainerRole(derive(config.instance, STARTED), config.credentials, refreshable_for)
        self.agents = ContainerAgents(role, config.ecs, eks_token(config.eks, say), known_containers)
        self.snapshot = replace(self.metadata.snapshot, agents=self.agents)
        self.service = Service(self, Tokens(), "probe")

    def snapshot_for(self, _caller: str) -> Snapshot:
        return self.snapshot

    def ask(
        self, agent: str, path: str, now: float = STARTED, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Response:
        parts = [part for part in path.split("/") if part]
        request = Request(method, path, "/" + "/".join(parts), path.endswith("/"), headers, agent=agent, body=body)
        return self.service.respond(request, "10.1.2.3", now)

    def ecs(self, path: str, now: float = STARTED) -> Any:
        return json.loads(self.ask(ECS, path, now).body)

    def eks(self, authorization: str = "any", now: float = STARTED) -> Response:
        return self.ask(EKS, "/v1/credentials", now, authorization=authorization)

    def credentials(self, now: float = STARTED) -> dict[str, str]:
        document: dict[str, str] = json.loads(self.metadata.text(CREDENTIALS_PATH, now=now) or "null")
        return document
