"""What makes an SDK pass the mock by although 169.254.169.254 leads to it.

Sources: the credential provider chains of the AWS SDKs and the AWS CLI (environment, shared files, container endpoint,
and the IMDS last), and their settings for the IMDS itself, in the "AWS SDKs and Tools Reference Guide".
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING

from imds_shim import endpoints
from imds_shim.endpoints import shown
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from imds_shim.rule import IPAddress

_BEFORE_THE_IMDS = (
    ("AWS_ACCESS_KEY_ID", "credentials come from the environment"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "credentials come from a web identity"),
)
_CONTAINER_CREDENTIALS = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_ECS = f"http://{endpoints.SERVICES['ecs'][0]}"
_TAKE_OUT = "take it out of the service's environment"
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


class Hiding(Record):
    """One thing that hides the mock, and the environment lines of a compose file that cure it."""

    what: str
    environment: Mapping[str, str] = {}


def hidden_by(variables: Mapping[str, str], services: Collection[str] = ("ec2",)) -> Iterator[Hiding]:
    """Say what in this environment, and in the home folder that it names, hides the mock from an SDK.

    Args:
        variables: the environment.
        services: those of `endpoints.SERVICES` that lead to the mock.
    """
    mocked = endpoints.of(services, ipv6=True)
    for name, what in _BEFORE_THE_IMDS:
        if variables.get(name):
            yield Hiding(f"{name} is set, so {what} and SDKs do not ask for them at 169.254.169.254; {_TAKE_OUT}")
    yield from _container_credentials(variables, mocked)
    if variables.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        yield Hiding(
            "AWS_EC2_METADATA_DISABLED is true, so SDKs do not ask at all", {"AWS_EC2_METADATA_DISABLED": "false"}
        )
    endpoint = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
    if endpoint:
        yield Hiding(f"AWS_EC2_METADATA_SERVICE_ENDPOINT is {endpoint}, so newer SDKs ask there instead; {_TAKE_OUT}")
    yield from _shared_files(variables)
    yield from _proxy(variables, endpoints.of(services, ipv6=False))


def _container_credentials(variables: Mapping[str, str], mocked: Sequence[IPAddress]) -> Iterator[Hiding]:
    for name in _CONTAINER_CREDENTIALS:
        value = variables.get(name)
        # The relative one is a path at the address of ECS.
        if value and _host(value if name.endswith("FULL_URI") else _ECS) not in map(shown, mocked):
            yield Hiding(
                f"{name} is set, so credentials come from a container endpoint and SDKs do not ask for them at "
                f"169.254.169.254; {_TAKE_OUT}, or let MOCK_ENDPOINTS name that endpoint"
            )


def _host(url: str) -> str:
    """`host:port` of an http URL, whose port is 80 unless it says another."""
    host = url.partition("://")[2].partition("/")[0]
    return host if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else f"{host}:{endpoints.PORT}"


def _shared_files(variables: Mapping[str, str]) -> Iterator[Hiding]:
    home = variables.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - HOME of the command, not of this process
    for name, default in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")):
        path = variables.get(name) or f"{home}/.aws/{default}"
        if os.path.isfile(path):  # noqa: PTH113 - as above
            yield Hiding(f"{path} exists, and credentials and region in it go before those of 169.254.169.254")


def _proxy(variables: Mapping[str, str], mocked: Sequence[IPAddress]) -> Iterator[Hiding]:
    proxy = next((name for name in _PROXIES if variables.get(name)), None)
    if proxy is None:
        return
    spared = [variables[name] for name in ("no_proxy", "NO_PROXY") if variables.get(name)] or [""]
    asked = [str(address) for address in mocked if not all(_spares(text, address) for text in spared)]
    if asked:
        lists = {name: ",".join(filter(None, [variables.get(name), *asked])) for name in ("no_proxy", "NO_PROXY")}
        listed = ", ".join(asked)
        yield Hiding(f"{proxy} is set and NO_PROXY does not name {listed}, so the proxy is asked instead", lists)


def _spares(no_proxy: str, address: IPAddress) -> bool:
    for entry in no_proxy.replace(",", " ").split():
        if entry == "*":
            return True
        try:
            if address in ipaddress.ip_network(entry.removesuffix(":80"), strict=False):
                return True
        except ValueError:
            continue
    return False
