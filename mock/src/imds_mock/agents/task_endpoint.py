"""The task metadata endpoint, versions 2 to 4: from a path to a document.

Version 2 knows the caller by its address and has no id in its paths; versions 3 and 4 have one, which may be any here,
since a container asks about itself. Version 3 is answered as version 4; its clients do not mind more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents import forms
from imds_mock.agents.container_metadata import Container

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_mock.agents.neighbours import Neighbours
    from imds_mock.agents.task_metadata import Task
    from imds_mock.service.messages import Response

_UNNAMED: Final = "app"
_OWN_PATHS: Final = (["task"], ["taskWithTags"], ["stats"], ["task", "stats"])


class TaskEndpoint:
    """Answers one container.

    Args:
        task: The task that it belongs to.
        neighbours: The other containers that the mock knows.
    """

    def __init__(self, task: Task, neighbours: Neighbours) -> None:
        self._task = task
        self._neighbours = neighbours

    def respond(self, version: str, path: str, caller: str, now: float) -> Response:
        """Answer a request.

        Args:
            version: `v2`, `v3` or `v4`.
            path: What follows it, without a slash in front.
            caller: Address of the peer.
            now: Seconds since the epoch.
        """
        parts = path.split("/") if path else []
        containers = self._containers(caller)
        if version == "v2":
            return self._of_version_2(parts, containers, now)
        if parts[:1] == ["containers"]:
            parts = parts[1:]
        named = containers[0]
        if parts not in _OWN_PATHS:
            named = _find(containers, parts[0] if parts else "") or named
            parts = parts[1:]
        inner = "/".join(parts)
        document: Any = None
        if not inner:
            document = named.document()
        elif inner in {"task", "taskWithTags"}:
            inside = [each.document() for each in containers]
            document = self._task.document(inside, tags=inner == "taskWithTags")
        elif inner == "stats":
            document = named.stats(now)
        elif inner == "task/stats":
            document = {each.docker_id: each.stats(now) for each in containers}
        return self._shown("/".join((version, *parts)), document)

    def _of_version_2(self, parts: list[str], containers: Sequence[Container], now: float) -> Response:
        document: Any = None
        match parts:
            case ["metadata"] | ["metadataWithTags"] | ["metadata", "taskWithTags"]:
                inside = [each.document(version=2) for each in containers]
                document = self._task.document(inside, tags=parts != ["metadata"], version=2)
            case ["stats"]:
                document = {each.docker_id: each.stats(now, version=2) for each in containers}
            case ["metadata" | "metadataWithTags", docker_id]:
                found = _find(containers, docker_id)
                if found is None:
                    return forms.as_json(f"Unable to generate metadata for container '{docker_id}'", 400)
                document = found.document(version=2)
            case ["stats", docker_id]:
                found = _find(containers, docker_id)
                if found is None:
                    return forms.as_json(f"Unable to get container stats for: {docker_id}", 400)
                document = found.stats(now, version=2)
        return self._shown("/".join(("v2", *parts)), document)

    def _shown(self, name: str, document: Any) -> Response:
        laid = self._task.overlays.lay(name, document)
        return forms.not_found() if laid is None else forms.as_json(laid)

    def _containers(self, caller: str) -> list[Container]:
        """The containers of the task, the caller first."""
        own = self._task
        containers = [Container(own, own.settings.container_name or self._neighbours.name_of(caller) or _UNNAMED)]
        taken = {containers[0].name}
        for name, task in self._neighbours.beside(caller):
            if task.arn == own.arn:
                chosen = task.settings.container_name
                chosen = name if chosen is None or chosen in taken else chosen
                containers.append(Container(task, chosen))
                taken.add(chosen)
        return containers


def _find(containers: Sequence[Container], docker_id: str) -> Container | None:
    return next((each for each in containers if each.docker_id == docker_id), None)
