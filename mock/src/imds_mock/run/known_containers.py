"""The named containers that have sent requests, for the ECS agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.agents.dispatch import ContainerAgents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.agents.task_metadata import Task
    from imds_mock.callers.caller import Caller
    from imds_mock.state.runtime import Runtime


class RegisteredContainers:
    """The containers in the registry of callers.

    Attributes:
        runtime: The runtime with the registry; None until it exists.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None

    def name_of(self, address: str) -> str | None:
        """The service of a container, with its number from the second replica on; otherwise the container's name.

        Args:
            address: Address of a caller.
        """
        return None if self.runtime is None else _name(self.runtime.callers.caller(address))

    def others(self, address: str) -> Iterator[tuple[str, Task]]:
        """Name and task of each container except one.

        Args:
            address: Address of the caller to leave out.
        """
        if self.runtime is None:
            return
        own = self.runtime.callers.caller(address).container
        for caller in self.runtime.callers.containers():
            agents = self.runtime.state.snapshot_for(caller.addresses[0]).agents
            if caller.container != own and isinstance(agents, ContainerAgents):
                yield _name(caller) or caller.key, agents.task


def _name(caller: Caller) -> str | None:
    if caller.service is None or caller.number in {None, 1}:
        return caller.service or caller.container
    return f"{caller.service}-{caller.number}"
