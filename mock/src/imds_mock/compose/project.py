"""The user's compose file, as far as the wiring depends on it: which services there are, and on which networks.

Files that are included or extended are not followed; `docker compose config` prints them as one.
Source: the Compose specification (services: networks, network_mode, scale, deploy.replicas).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import yaml

from imds_mock.violations.syntax import yaml_problem
from imds_mock.violations.words import unknown

from .errors import ComposeFileError

DEFAULT_NETWORK: Final = "default"


@dataclass(frozen=True, slots=True)
class Service:
    """One service that is to find the mock.

    Attributes:
        name: In the compose file.
        networks: Those it is on, in the order of the file.
        replicas: How many containers of it there are.
    """

    name: str
    networks: tuple[str, ...] = (DEFAULT_NETWORK,)
    replicas: int = 1


def read(text: str) -> dict[str, Any]:
    """The services of a compose file, by name.

    Raises:
        ComposeFileError: It is none.
    """
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = yaml_problem(str(error))
        raise ComposeFileError(f"the compose file is not valid YAML{place}: {reason}; {_AS_ONE}") from error
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not services:
        raise ComposeFileError(f"the compose file has no services; {_AS_ONE}")
    return {str(name): body if isinstance(body, dict) else {} for name, body in services.items()}


def service(services: dict[str, Any], name: str) -> Service:
    """One service, if it can be wired at all.

    Raises:
        ComposeFileError: It is not there, or has no network of its own.
    """
    body = services.get(name)
    if body is None:
        raise ComposeFileError(f"{unknown('service', name, services, '')}; {_AS_ONE}")
    mode = str(body.get("network_mode") or "")
    if mode:
        kind, _, other = mode.partition(":")
        raise ComposeFileError(
            f"{name} has network_mode: {mode}; "
            + (f"name {other} instead, whose network it shares" if kind == "service" else "it has no network to join")
        )
    return Service(name, _networks(body, name), _replicas(body, name))


def _networks(body: dict[str, Any], name: str) -> tuple[str, ...]:
    networks = body.get("networks") or ()
    if not isinstance(networks, dict | list | tuple) or not all(isinstance(each, str | int) for each in networks):
        raise ComposeFileError(f"{name}.networks: expected names; {_AS_ONE}")
    return tuple(map(str, networks)) or (DEFAULT_NETWORK,)


def _replicas(body: dict[str, Any], name: str) -> int:
    deploy = body.get("deploy") or {}
    if not isinstance(deploy, dict):
        raise ComposeFileError(f"{name}.deploy: expected keys and values; {_AS_ONE}")
    for key, said in (("scale", body.get("scale")), ("deploy.replicas", deploy.get("replicas"))):
        try:
            replicas = int(said or 0)
        except (TypeError, ValueError):
            raise ComposeFileError(f"{name}.{key}: expected a number, got {said!r}; {_AS_ONE}") from None
        if replicas:
            return replicas
    return 1


_AS_ONE: Final = (
    "what is included or extended, and variables, are seen with: "
    "docker compose config | imds-mock compose-override --file -"
)
