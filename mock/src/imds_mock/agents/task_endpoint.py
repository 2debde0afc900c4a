"""The task metadata endpoint, versions 2 to 4: from a path to a document.

Version 2 identifies the caller by its address. The paths of versions 3 and 4 contain an id, which may be any text here,
because a container asks about itself. Version 3 is answered as version 4, which its clients accept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from imds_mock.agents.container_metadata import Container
from imds_mock.agents.responses import json_response, not_found

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imds_mock.agents.task_metadata import Task
    from imds_mock.service.messages import Response

_UNNAMED: Final = "app"
_OWN_PATHS: Final = (["task"], ["taskWithTags"], ["stats"], ["task", "stats"])


class KnownContainers(Protocol):
    """The containers that the mock knows, to find those that share a task."""

    def name_of(self, address: str) -> str | None:
        """The shortest unique name of the container at an address; None if unknown.

        Args:
            address: Address of a caller.
        """

    def others(self, address: str) -> Iterable[tuple[str, Task]]:
        """Name and task of each container except one.

        Args:
            address: Address of the caller to leave out.
        """


class NoContainers:
    """`KnownContainers` without any container."""

    def name_of(self, _address: str) -> str | None:
        """None."""
        return None

    def others(self, _address: str) -> Iterable[tuple[str, Task]]:
        """Nothing."""
        return ()


class TaskEndpoint:
    """The task metadata endpoint of one container.

    Args:
        task: The container's task.
        known_containers: The containers that the mock knows.
    """

    def __init__(self, task: Task, known_containers: KnownContainers) -> None:
        self._task = task
        self._known_containers = known_containers

    def respond(self, version: str, path: str, caller: str, now: float) -> Response:
        """The response to a request.

        Args:
            version: `v2`, `v3` or `v4`.
            path: The rest of the path, without a leading slash.
            caller: Address of the peer.
            now: Seconds since the epoch.
        """
        parts = path.split("/") if path else []
        containers = self._containers(caller)
        if version == "v2":
            return self._version_2(parts, containers, now)
        if parts[:1] == ["containers"]:
            parts = parts[1:]
        container = containers[0]
        if parts not in _OWN_PATHS:
            container = _find(containers, parts[0] if parts else "") or container
            parts = parts[1:]
        inner = "/".join(parts)
        document: Any = None
        if not inner:
            document = container.document()
        elif inner in {"task", "taskWithTags"}:
            documents = [each.document() for each in containers]
            document = self._task.document(documents, tags=inner == "taskWithTags")
        elif inner == "stats":
            document = container.stats(now)
        elif inner == "task/stats":
            document = {each.docker_id: each.stats(now) for each in containers}
        return self._response("/".join((version, *parts)), document)

    def _version_2(self, parts: list[str], containers: Sequence[Container], now: float) -> Response:
        document: Any = None
        match parts:
            case ["metadata"] | ["metadataWithTags"] | ["metadata", "taskWithTags"]:
                documents = [each.document(version=2) for each in containers]
                document = self._task.document(documents, tags=parts != ["metadata"], version=2)
            case ["stats"]:
                document = {each.docker_id: each.stats(now, version=2) for each in containers}
            case ["metadata" | "metadataWithTags", docker_id]:
                found = _find(containers, docker_id)
                if found is None:
                    return json_response(f"Unable to generate metadata for container '{docker_id}'", 400)
                document = found.document(version=2)
            case ["stats", docker_id]:
                found = _find(containers, docker_id)
                if found is None:
                    return json_response(f"Unable to get container stats for: {docker_id}", 400)
                document = found.stats(now, version=2)
        return self._response("/".join(("v2", *parts)), document)

    def _response(self, name: str, document: Any) -> Response:
        result = self._task.overrides.apply(name, document)
        return not_found() if result is None else json_response(result)

    def _containers(self, caller: str) -> list[Container]:
        """The containers of the task, the caller first."""
        task, known = self._task, self._known_containers
        containers = [Container(task, task.settings.container_name or known.name_of(caller) or _UNNAMED)]
        names = {containers[0].name}
        for name, other in known.others(caller):
            if other.arn == task.arn:
                configured = other.settings.container_name
                unique = name if configured is None or configured in names else configured
                containers.append(Container(other, unique))
                names.add(unique)
        return containers


def _find(containers: Sequence[Container], docker_id: str) -> Container | None:
    return next((each for each in containers if each.docker_id == docker_id), None)
