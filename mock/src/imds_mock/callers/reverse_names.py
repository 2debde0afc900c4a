"""The parts of a reverse name, in the form of each container engine, as measured.

* Docker: `<container>.<network>`, one name for each address. Containers of Compose projects: `proj-app-2.proj_default`
  (replica), `proj-app-run-d59c2409f8fa.proj_default` (`docker compose run`), `custom.proj_default`
  (`container_name`). Host names and aliases never appear.
* Swarm: `<service>.<slot>.<task>.<network>`. An update replaces the task, which has an id of 25 characters, and keeps
  the slot. A global service has the node's id, also of 25 characters, in place of the slot. In a stack, the service is
  `<stack>_<service>`, and the network begins with the stack as well.
* Podman (aardvark-dns): several names for each address, without a network: the container's name, its aliases and the
  first 12 digits of its id. `.dns.podman` may follow each. In Compose projects the service is an alias, and the
  container is `proj-app-2` (docker compose) or `proj_app_2` (podman-compose).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REPLICA: Final = re.compile(r"(?P<service>.+?)-(?:(?P<number>[0-9]+)|run-[0-9a-f]{12})")
_TASK: Final = re.compile(r"(?P<service>.+)\.(?P<slot>[0-9]+|[0-9a-z]{25})\.(?P<task>[0-9a-z]{25})")
_PODMAN_DOMAIN: Final = ".dns.podman"
_PODMAN_ID: Final = re.compile(r"[0-9a-f]{12}")


class ContainerName(NamedTuple):
    """The parts of a reverse name.

    Attributes:
        container: Name of the container, unique on one engine; a container that replaces it has the same name. In a
            Swarm it is the service with the slot, such as `shop_web.1`, as `docker service ps` shows it.
        network: Name of the network; empty if unknown.
        project: Compose project or stack; None if unknown.
        service: Compose service or service of the stack; None if unknown.
        number: Number of the service's replica, from 1; None if unknown.
        aliases: Further names: aliases of Podman, or the full name of a stack's service.
        task: Id of the Swarm task; empty outside a Swarm.
    """

    container: str
    network: str = ""
    project: str | None = None
    service: str | None = None
    number: int | None = None
    aliases: tuple[str, ...] = ()
    task: str = ""

    @property
    def host_name(self) -> str:
        """The name that the name server resolves."""
        return f"{self.container}.{self.task}" if self.task else self.container


def parse_reverse_names(names: Sequence[str]) -> ContainerName:
    """The parts of an address's reverse names.

    The service of a Docker container is known only if the names of container and network begin with the same project.

    Args:
        names: All names of one address in the order of the answer, such as `proj-app-2.proj_default`; at least one.
    """
    plain = [name.rstrip(".") for name in names]
    shortened = [name.removesuffix(_PODMAN_DOMAIN) for name in plain]
    if shortened != plain or (len(plain) > 1 and any(map(_PODMAN_ID.fullmatch, plain))):
        return _podman_name(shortened)
    # A container's name may contain dots; the name of a Compose network does not.
    name = min(plain)
    container, _, network = name.rpartition(".") if "." in name else (name, "", "")
    task = _TASK.fullmatch(container)
    return _docker_name(container, network) if task is None else _task_name(task, network)


def _docker_name(container: str, network: str) -> ContainerName:
    for project in _projects(network):
        prefix = f"{project}-"
        replica = _REPLICA.fullmatch(container[len(prefix) :]) if container.startswith(prefix) else None
        if replica is not None:
            number = replica["number"]
            return ContainerName(container, network, project, replica["service"], int(number) if number else None)
    return ContainerName(container, network)


def _task_name(task: re.Match[str], network: str) -> ContainerName:
    full, slot = task["service"], task["slot"]
    stack = next((each for each in _projects(network) if full.startswith(f"{each}_")), None)
    return ContainerName(
        f"{full}.{slot}",
        network,
        stack,
        full if stack is None else full[len(stack) + 1 :],
        int(slot) if slot.isdecimal() else None,
        () if stack is None else (full,),
        task["task"],
    )


def _podman_name(names: Sequence[str]) -> ContainerName:
    known = list(dict.fromkeys(name for name in names if not _PODMAN_ID.fullmatch(name))) or list(names)
    # The longest alias that a name contains: `app` may be an alias beside `my-app`.
    for service in sorted(known, key=len, reverse=True):
        replica = re.compile(rf"(?P<project>.+)[-_]{re.escape(service)}[-_](?P<number>[0-9]+)")
        for container in known:
            if found := replica.fullmatch(container):
                aliases = tuple(each for each in known if each not in {container, service})
                return ContainerName(container, "", found["project"], service, int(found["number"]), aliases)
    return ContainerName(known[0], service=known[1] if len(known) > 1 else None, aliases=tuple(known[2:]))


def _projects(network: str) -> Iterator[str]:
    """The projects to which a network may belong, the longest name first."""
    words = network.split("_")
    return ("_".join(words[:length]) for length in range(len(words) - 1, 0, -1))
