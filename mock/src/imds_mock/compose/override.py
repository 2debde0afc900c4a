"""The override itself: the mock, and for each service what leads it there, with the reasons as comments."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import yaml

from .errors import WiringError
from .project import DEFAULT_NETWORK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .project import Service

MOCK: Final = "mock_metadata"
# botocore refuses an endpoint whose host name has an underscore.
_HOST_NAME: Final = "mock-metadata"
_IMDS: Final = "169.254.169.254"
# Clear of the ends of the range, which Podman and others give out, and of AWS's own addresses.
_FIRST: Final = IPv4Address("169.254.100.1")

_PLAIN: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*")
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+")


def names(text: str) -> list[str]:
    """The services of `--services a,b`.

    Raises:
        WiringError: One is no name, or is there twice.
    """
    found = [name.strip() for name in text.split(",")]
    for name in found:
        if not _NAME.fullmatch(name):
            raise WiringError(f"{name!r}: expected a Compose service's name of letters, digits and ._-, such as web")
        if found.count(name) > 1:
            raise WiringError(f"{name} is named twice")
        if name == MOCK:
            raise WiringError(f"{MOCK} is the mock's own name in the override; rename that service")
    return found


def made(way: str, services: Sequence[Service], taken: Sequence[str] = ()) -> str:
    """The override as YAML.

    Args:
        way: Of `WAYS`.
        services: Those that are to find the mock.
        taken: Names of all services that there are, if they are known.

    Raises:
        WiringError: The way cannot be had from an override, or not for these services.
    """
    if way in NOT_FROM_AN_OVERRIDE:
        raise WiringError(f"--way {way} cannot come from an override: {NOT_FROM_AN_OVERRIDE[way]}")
    added = [MOCK, *(f"{each.name}_metadata" for each in services if way == "shared-namespace")]
    for name in added:
        if name in taken or name in {each.name for each in services}:
            raise WiringError(f"the compose file has a service {name} already, which the override would change")
    about, text = WAYS[way]
    return f"{about}services:\n{text(services)}"


def _link_local_ip(services: Sequence[Service]) -> str:
    _refuse_replicas(services)
    common = [name for name in services[0].networks if all(name in each.networks for each in services)]
    if not common:
        pairs = "; ".join(f"{each.name}: {', '.join(each.networks)}" for each in services)
        raise WiringError(f"these services share no network ({pairs}): --way shared-namespace needs none")
    network = _shown(DEFAULT_NETWORK if DEFAULT_NETWORK in common else common[0])
    text = f"""\
  {MOCK}:
    image: imds-mock
    networks:
      {network}:
        link_local_ips: [{_IMDS}]
"""
    for number, each in enumerate(services):
        text += f"""\
  {_shown(each.name)}:
    networks:
      {network}:
        link_local_ips: [{_FIRST + number}]
{_WAIT}"""
    return text


def _shared_namespace(services: Sequence[Service]) -> str:
    _refuse_replicas(services)
    text = f"  {MOCK}:\n    image: imds-mock\n"
    networks = _networks_of(services)
    if networks != [DEFAULT_NETWORK]:
        text += f"    networks: [{', '.join(map(_shown, networks))}]\n"
    for each in services:
        text += f"""\
  {_shown(each.name)}:
{_WAIT}\
  {_shown(f"{each.name}_metadata")}:
    image: imds-shim
    command: [--init]
    network_mode: {_shown(f"service:{each.name}")}
    environment:
      MOCK_HOSTNAME: {MOCK}
    cap_drop: [ALL]
    cap_add: [NET_ADMIN]
    depends_on:
      {_shown(each.name)}: {{condition: service_started, restart: true}}
"""
    return text


def _environment(services: Sequence[Service]) -> str:
    text = f"  {MOCK}:\n    image: imds-mock\n    networks:\n"
    for network in _networks_of(services):
        text += f"      {_shown(network)}: {{aliases: [{_HOST_NAME}]}}\n"
    for each in services:
        text += f"""\
  {_shown(each.name)}:
    environment:
      AWS_EC2_METADATA_SERVICE_ENDPOINT: http://{_HOST_NAME}
{_WAIT}"""
    return text


def _refuse_replicas(services: Sequence[Service]) -> None:
    for each in services:
        if each.replicas != 1:
            raise WiringError(
                f"{each.name} runs {each.replicas} times, and this way reaches one container of a service: put the "
                "shim into its image (two lines, see the README), or take --way environment"
            )


def _networks_of(services: Sequence[Service]) -> list[str]:
    """Networks of which every service is on one."""
    networks: list[str] = []
    for each in services:
        if not set(networks) & set(each.networks):
            networks.append(DEFAULT_NETWORK if DEFAULT_NETWORK in each.networks else each.networks[0])
    return networks


def _shown(name: str) -> str:
    """A name as YAML reads it as this text: `1.0` and `null` would be something else."""
    # Compose's reader knows more numbers than this one: 1e3, 0o17.
    return name if _PLAIN.fullmatch(name) and yaml.safe_load(name) == name else json.dumps(name)


_WAIT: Final = f"""\
    depends_on:
      {MOCK}: {{condition: service_healthy}}
"""

_ABOUT_LINK_LOCAL_IP: Final = """\
# The mock has 169.254.169.254 on your network, and each service an address beside its own that makes it a neighbour
# there. No capability, no change of an image. Not with Podman, which has no link_local_ips.
"""

_ABOUT_SHARED_NAMESPACE: Final = """\
# Beside each service a container that runs once, in the service's network namespace: it sets the rule that leads
# 169.254.169.254:80 to the mock, and ends. Only it has a capability. It begins when the service has been started, so
# the service's very first requests may come before the rule. A container that restarts by itself has a new namespace,
# without the rule, until `docker compose up` runs this once more. `docker compose up --wait` may count a container
# that has ended well as failed: leave --wait out.
"""

_ABOUT_ENVIRONMENT: Final = """\
# The variable that newer AWS SDKs ask first. No capability, no change of an image or a network; but about half of the
# clients ignore it, and so does everything that has the address written in.
"""

WAYS: Final[dict[str, tuple[str, Callable[[Sequence[Service]], str]]]] = {
    "link-local-ip": (_ABOUT_LINK_LOCAL_IP, _link_local_ip),
    "shared-namespace": (_ABOUT_SHARED_NAMESPACE, _shared_namespace),
    "environment": (_ABOUT_ENVIRONMENT, _environment),
}
"""Name of the way to what is said of it, and the function that writes the services."""

NOT_FROM_AN_OVERRIDE: Final = {
    "entrypoint-shim": """the entrypoint that the image has now is not in a compose file; write two lines into its \
Dockerfile (see the README), or take --way shared-namespace, which sets the same rule from beside""",
    "link-local-route": """it needs the shim in the image (two lines, see the README); \
--way link-local-ip does without""",
    "link-local-network": """it would move your project's whole network to 169.254.169.0/24, which one project on an \
engine can have; --way link-local-ip uses the network that there is""",
    "host": "it is for programs outside of containers: imds-mock host up",
    "kubernetes": "see examples/kubernetes",
}
