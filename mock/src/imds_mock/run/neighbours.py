"""The containers that the mock knows, for ECS's agent: those that have asked and whose names the name server gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.agents.dispatch import ContainerAgents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.agents.task_metadata import Task
    from imds_mock.callers.caller import Caller
    from imds_mock.state.runtime import Runtime


class KnownNeighbours:
    """The containers behind the addresses that have asked.

    Attributes:
        driven: Knows them; None while nothing is known.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None

    def name_of(self, address: str) -> str | None:
        """The Compose service of the container at an address, with its number from the second replica on, or its name.

        Args:
            address: Address of a caller.
        """
        return None if self.runtime is None else _name(self.runtime.callers.caller(address))

    def beside(self, address: str) -> Iterator[tuple[str, Task]]:
        """The other containers by name, each with its task.

        Args:
            address: Address of the caller that is left out.
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
