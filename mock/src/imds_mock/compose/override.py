"""Writes the override: the mock, and the changes to each service, with comments."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import yaml

from imds_mock.compose.project import DEFAULT_NETWORK, OverrideError
from imds_mock.errors import LOW_PORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_mock.compose.project import Service

MOCK: Final = "mock_metadata"
# botocore rejects host names with an underscore.
_HOST_NAME: Final = "mock-metadata"
_IMDS: Final = "169.254.169.254"
# Not near the ends of the range, which Podman and others assign, and none of AWS's addresses.
_FIRST: Final = IPv4Address("169.254.100.1")

_PLAIN: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*")
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+")


def names(text: str) -> list[str]:
    """The names in `--services a,b`.

    Raises:
        OverrideError: A name is invalid or repeated.
    """
    found = [name.strip() for name in text.split(",")]
    for name in found:
        if not _NAME.fullmatch(name):
            raise OverrideError(
                f"expected the name of a Compose service (letters, digits and ._-), such as web, got {name!r}"
            )
        if found.count(name) > 1:
            raise OverrideError(f"--services names {name} twice")
        if name == MOCK:
            raise OverrideError(f"the override uses the name {MOCK} for the mock; rename your service")
    return found


def write_override(way: str, services: Sequence[Service], taken: Sequence[str] = ()) -> str:
    """The override as YAML.

    Args:
        way: The way in: a key of `WAYS` or `UNSUPPORTED_WAYS`.
        services: The services that use the mock.
        taken: The names of all services, if known.

    Raises:
        OverrideError: An override cannot provide this way, or not for these services.
    """
    if way in UNSUPPORTED_WAYS:
        raise OverrideError(f"an override cannot provide --way {way}: {UNSUPPORTED_WAYS[way]}")
    added = [MOCK, *(f"{each.name}_metadata" for each in services if way == "shared-namespace")]
    for name in added:
        if name in taken or name in {each.name for each in services}:
            raise OverrideError(f"the override would change your service {name}; rename it")
    comment, write_services = WAYS[way]
    return f"{comment}services:\n{write_services(services)}"


def _link_local_ip(services: Sequence[Service]) -> str:
    _refuse_replicas(services)
    common = [name for name in services[0].networks if all(name in each.networks for each in services)]
    if not common:
        pairs = "; ".join(f"{each.name}: {', '.join(each.networks)}" for each in services)
        raise OverrideError(f"the services share no network ({pairs}); use --way shared-namespace, which needs none")
    network = _quoted(DEFAULT_NETWORK if DEFAULT_NETWORK in common else common[0])
    text = f"""\
  {MOCK}:
    image: imds-mock
    networks:
      {network}:
        link_local_ips: [{_IMDS}]
"""
    for number, each in enumerate(services):
        text += f"""\
  {_quoted(each.name)}:
    networks:
      {network}:
        link_local_ips: [{_FIRST + number}]
{_WAIT}"""
    return text


def _shared_namespace(services: Sequence[Service]) -> str:
    _refuse_replicas(services)
    text = _MOCK_SERVICE
    networks = _networks_of(services)
    if networks != [DEFAULT_NETWORK]:
        text += f"    networks: [{', '.join(map(_quoted, networks))}]\n"
    for each in services:
        text += f"""\
  {_quoted(each.name)}:
{_WAIT}\
  {_quoted(f"{each.name}_metadata")}:
    image: imds-shim
    command: [--init]
    network_mode: {_quoted(f"service:{each.name}")}
    environment:
      MOCK_HOSTNAME: {MOCK}
    cap_drop: [ALL]
    cap_add: [NET_ADMIN]
    depends_on:
      {_quoted(each.name)}: {{condition: service_started, restart: true}}
"""
    return text


def _environment(services: Sequence[Service]) -> str:
    text = f"{_MOCK_SERVICE}    networks:\n"
    for network in _networks_of(services):
        text += f"      {_quoted(network)}: {{aliases: [{_HOST_NAME}]}}\n"
    for each in services:
        text += f"""\
  {_quoted(each.name)}:
    environment:
      AWS_EC2_METADATA_SERVICE_ENDPOINT: http://{_HOST_NAME}
{_WAIT}"""
    return text


def _refuse_replicas(services: Sequence[Service]) -> None:
    for each in services:
        if each.replicas != 1:
            raise OverrideError(
                f"{each.name} has {each.replicas} replicas, and this way supports one; add the shim to its image "
                "(two lines, see the README) or use --way environment"
            )


def _networks_of(services: Sequence[Service]) -> list[str]:
    """Networks that together reach every service."""
    networks: list[str] = []
    for each in services:
        if not set(networks) & set(each.networks):
            networks.append(DEFAULT_NETWORK if DEFAULT_NETWORK in each.networks else each.networks[0])
    return networks


def _quoted(name: str) -> str:
    """A name as a YAML string; quoted if YAML would read something else, such as a number or null."""
    # Compose's parser accepts more numbers than PyYAML: 1e3, 0o17.
    return name if _PLAIN.fullmatch(name) and yaml.safe_load(name) == name else json.dumps(name)


_MOCK_SERVICE: Final = f"""\
  {MOCK}:
    image: imds-mock
    sysctls: [{LOW_PORTS}] # Podman needs this for port 80
"""

_WAIT: Final = f"""\
    depends_on:
      {MOCK}: {{condition: service_healthy}}
"""

_COMMENT_LINK_LOCAL_IP: Final = """\
# The mock has the address 169.254.169.254 on your network, and each service a second address that reaches it.
# No capability and no image change. Not supported by Podman, which has no link_local_ips.
"""

_COMMENT_SHARED_NAMESPACE: Final = """\
# A second container in each service's network namespace redirects 169.254.169.254:80 to the mock and exits.
# Only this container has a capability.
# * It starts after the service, so the service's very first requests may precede the redirect.
# * When the service restarts by itself, it loses the redirect; `docker compose up` restores it.
# * Omit `--wait`: `docker compose up --wait` may report the exited container as failed.
"""

_COMMENT_ENVIRONMENT: Final = """\
# A variable that newer AWS SDKs read. No capability, no change of an image or a network.
# About half of the AWS clients ignore it, as does software with the address built in.
"""

WAYS: Final[dict[str, tuple[str, Callable[[Sequence[Service]], str]]]] = {
    "link-local-ip": (_COMMENT_LINK_LOCAL_IP, _link_local_ip),
    "shared-namespace": (_COMMENT_SHARED_NAMESPACE, _shared_namespace),
    "environment": (_COMMENT_ENVIRONMENT, _environment),
}
"""For each way its comment and the function that writes the services."""

UNSUPPORTED_WAYS: Final = {
    "entrypoint-shim": "it needs the shim in the image; add it (see the README) or use --way shared-namespace",
    "link-local-route": "it needs the shim in the image; add it (see the README) or use --way link-local-ip",
    "link-local-network": "it changes the subnet of your project's network; use --way link-local-ip",
    "host": "it is for programs outside containers; use imds-mock host up",
    "kubernetes": "see examples/kubernetes",
}
