"""Reads the services, networks and replicas from the user's compose file.

`include` and `extends` are not followed; `docker compose config` prints the merged file.
Errors: `OverrideError` (exit code 64) for the command line, `ComposeFileError` (65) for the compose file.
Source: the Compose specification (services: networks, network_mode, scale, deploy.replicas).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import read_yaml
from imds_mock.errors import EX_DATAERR, EX_USAGE, MockError
from imds_mock.records import Record
from imds_mock.violations.words import listed, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_NETWORK: Final = "default"


class OverrideError(MockError):
    """No override is possible for the services and the way on the command line."""

    exit_code = EX_USAGE


class ComposeFileError(MockError):
    """The compose file cannot be read, or a service in it cannot use the mock."""

    exit_code = EX_DATAERR


class Service(Record, frozen=True):
    """A service that uses the mock.

    Attributes:
        name: Its name in the compose file.
        networks: Its networks, in the order of the file.
        replicas: The number of its containers.
    """

    name: str
    networks: tuple[str, ...] = (DEFAULT_NETWORK,)
    replicas: int = 1


def read(text: str) -> dict[str, Any]:
    """The services of a compose file, by name.

    Raises:
        ComposeFileError: The text is not a compose file.
    """
    try:
        document = read_yaml(text, "compose file")
    except ConfigError as error:
        raise ComposeFileError(f"{error}; {_ADVICE}") from error
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not services:
        raise ComposeFileError(f"the compose file has no services; {_ADVICE}")
    return {str(name): body if isinstance(body, dict) else {} for name, body in services.items()}


def select(services: dict[str, Any], names: Sequence[str]) -> list[Service]:
    """The services with these names.

    Raises:
        ComposeFileError: Some do not exist or cannot use the mock; names each of them.
    """
    found: list[Service] = []
    problems: list[str] = []
    for name in names:
        if name not in services:
            problems.append(unknown("service", name, services, ""))
            continue
        try:
            found.append(_service(services[name], name))
        except ComposeFileError as error:
            problems.append(str(error))
    if problems:
        text = listed(problems)
        if not services.keys() >= set(names):
            text += ("; " if len(problems) == 1 else "\n") + _ADVICE
        raise ComposeFileError(text)
    return found


def _service(body: dict[str, Any], name: str) -> Service:
    mode = str(body.get("network_mode") or "")
    if mode:
        kind, _, other = mode.partition(":")
        raise ComposeFileError(
            f"{name} has network_mode: {mode}; "
            + (f"name {other} instead, whose network it shares" if kind == "service" else "it cannot join a network")
        )
    return Service(name, _networks(body, name), _replicas(body, name))


def _networks(body: dict[str, Any], name: str) -> tuple[str, ...]:
    networks = body.get("networks") or ()
    if not isinstance(networks, dict | list | tuple) or not all(isinstance(each, str | int) for each in networks):
        raise ComposeFileError(f"{name}.networks: expected network names; {_ADVICE}")
    return tuple(map(str, networks)) or (DEFAULT_NETWORK,)


def _replicas(body: dict[str, Any], name: str) -> int:
    deploy = body.get("deploy") or {}
    if not isinstance(deploy, dict):
        raise ComposeFileError(f"{name}.deploy: expected keys and values; {_ADVICE}")
    for key, value in (("scale", body.get("scale")), ("deploy.replicas", deploy.get("replicas"))):
        try:
            replicas = int(value or 0)
        except (TypeError, ValueError):
            raise ComposeFileError(f"{name}.{key}: expected a number, got {value!r}; {_ADVICE}") from None
        if replicas:
            return replicas
    return 1


_ADVICE: Final = (
    "to resolve include, extends and variables, run: docker compose config | imds-mock compose-override --file -"
)
