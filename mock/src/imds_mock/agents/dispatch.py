"""Which agent a request is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.agents.ecs import EcsAgent
from imds_mock.agents.eks import EksAgent
from imds_mock.service.messages import ECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.agents.identity import Identity
    from imds_mock.config.containers import EcsSettings
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response


class ContainerAgents:
    """The agents that one container can ask.

    Args:
        identity: Who it is.
        ecs: What it is told about its task.
        eks_token: Gives the only token that EKS's agent takes; None takes any.
    """

    def __init__(self, identity: Identity, ecs: EcsSettings, eks_token: Callable[[], str | None]) -> None:
        self._ecs = EcsAgent(identity, ecs)
        self._eks = EksAgent(identity, eks_token)

    def respond(self, request: Request, tree: Tree, now: float) -> Response:
        """Answer a request for one of them.

        Args:
            request: The request; its agent is one of containers.
            tree: The metadata of the instance that the container has.
            now: Wall-clock time in seconds since the epoch.
        """
        agent = self._ecs if request.agent == ECS else self._eks
        return agent.respond(request, tree, now)
