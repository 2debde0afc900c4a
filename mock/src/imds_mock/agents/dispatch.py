"""Dispatches a request to the agent that it addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.agents.ecs import EcsAgent
from imds_mock.agents.eks import EksAgent
from imds_mock.agents.task_endpoint import NoContainers
from imds_mock.agents.task_protection import ProtectedTasks
from imds_mock.service.messages import ECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.agents.container_role import ContainerRole
    from imds_mock.agents.task_endpoint import KnownContainers
    from imds_mock.agents.task_metadata import Task
    from imds_mock.config.containers import EcsSettings
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response


class ContainerAgents:
    """The agents that one container can use.

    Args:
        role: The container's role.
        ecs: Settings of the ECS task.
        eks_token: Gives the only token that the EKS agent accepts; None if it accepts any.
        containers: The containers that the mock knows; None if it knows none.
        protected_tasks: Tasks protected from scale-in; None for a new, empty table.

    Raises:
        SettingError: A document in the configuration is invalid.
    """

    def __init__(
        self,
        role: ContainerRole,
        ecs: EcsSettings,
        eks_token: Callable[[], str | None],
        containers: KnownContainers | None = None,
        protected_tasks: ProtectedTasks | None = None,
    ) -> None:
        self._ecs = EcsAgent(role, ecs, containers or NoContainers(), protected_tasks or ProtectedTasks())
        self._eks = EksAgent(role, eks_token)

    @property
    def task(self) -> Task:
        """The container's task."""
        return self._ecs.task

    def respond(self, request: Request, tree: Tree, caller: str, now: float) -> Response:
        """The response of the agent that a request addresses.

        Args:
            request: A request whose `agent` is ECS or EKS.
            tree: Metadata of the container's instance.
            caller: Address of the peer.
            now: Wall-clock time in seconds since the epoch.
        """
        if request.agent == ECS:
            return self._ecs.respond(request, tree, caller, now)
        return self._eks.respond(request, tree, now)
