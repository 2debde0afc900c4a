"""Who else asks: what ECS's agent has to know about other containers to say which ones share a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.agents.task_metadata import Task


class Neighbours(Protocol):
    """The containers that the mock knows."""

    def name_of(self, address: str) -> str | None:
        """The name of the container at an address, as short as it is unique; None if it is not known.

        Args:
            address: Address of a caller.
        """

    def beside(self, address: str) -> Iterable[tuple[str, Task]]:
        """The other containers, each with its name and its task.

        Args:
            address: Address of the caller that is left out.
        """


class Nobody:
    """No other container is known."""

    def name_of(self, _address: str) -> str | None:
        """No name is known."""
        return None

    def beside(self, _address: str) -> Iterable[tuple[str, Task]]:
        """There are none."""
        return ()
