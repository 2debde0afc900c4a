"""Which agent a request is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.agents.ecs import EcsAgent
from imds_mock.agents.eks import EksAgent
from imds_mock.agents.neighbours import Nobody
from imds_mock.agents.task_protection import Protections
from imds_mock.service.messages import ECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.agents.identity import Identity
    from imds_mock.agents.neighbours import Neighbours
    from imds_mock.agents.task_metadata import Task
    from imds_mock.config.containers import EcsSettings
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response


class ContainerAgents:
    """The agents that one container can ask.

    Args:
        identity: Who it is.
        ecs: What it is told about its task.
        eks_token: Gives the only token that EKS's agent takes; None takes any.
        neighbours: The other containers that the mock knows; None: it knows none.
        protections: Which tasks are protected from scale-in; None: a book of its own.

    Raises:
        SettingError: A document of the configuration cannot be used.
    """

    def __init__(
        self,
        identity: Identity,
        ecs: EcsSettings,
        eks_token: Callable[[], str | None],
        neighbours: Neighbours | None = None,
        protections: Protections | None = None,
    ) -> None:
        self._ecs = EcsAgent(identity, ecs, neighbours or Nobody(), protections or Protections())
        self._eks = EksAgent(identity, eks_token)

    @property
    def task(self) -> Task:
        """The task that the container belongs to."""
        return self._ecs.task

    def respond(self, request: Request, tree: Tree, caller: str, now: float) -> Response:
        """Answer a request for one of them.

        Args:
            request: The request; its agent is one of containers.
            tree: The metadata of the instance that the container has.
            caller: Address of the peer.
            now: Wall-clock time in seconds since the epoch.
        """
        if request.agent == ECS:
            return self._ecs.respond(request, tree, caller, now)
        return self._eks.respond(request, tree, now)
