"""Names of containers as Docker's name server writes them: `<container name>.<network>`.

Measured for replicas (`proj-app-2.proj_default`), runs (`proj-app-run-d59c2409f8fa.proj_default`), a `container_name`
(`custom.proj_default`) and plain containers (`plain.proj_default`). Host names and aliases never appear. The service
can be told only where the container's name begins with the project that the network's name begins with.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_REPLICA: Final = re.compile(r"(?P<service>.+?)-(?:(?P<number>[0-9]+)|run-[0-9a-f]{12})")


class ContainerName(NamedTuple):
    """What a reverse name says.

    Attributes:
        container: The container's name; an engine has each once.
        network: The network's name.
        project: The compose project, where it can be told.
        service: The compose service, likewise.
        number: Which replica of the service it is, from 1.
    """

    container: str
    network: str = ""
    project: str | None = None
    service: str | None = None
    number: int | None = None


def parse_reverse_name(name: str) -> ContainerName:
    """Take the name that Docker's name server gives an address apart.

    Args:
        name: Such as `proj-app-2.proj_default`.
    """
    name = name.rstrip(".")
    # Names of containers may have dots in them; compose gives networks none.
    container, _, network = name.rpartition(".") if "." in name else (name, "", "")
    words = network.split("_")
    for length in range(len(words) - 1, 0, -1):
        project = "_".join(words[:length])
        start = f"{project}-"
        replica = _REPLICA.fullmatch(container[len(start) :]) if container.startswith(start) else None
        if replica is not None:
            number = replica["number"]
            return ContainerName(container, network, project, replica["service"], int(number) if number else None)
    return ContainerName(container, network)
