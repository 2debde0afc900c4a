"""What keeps an SDK from asking the mock although 169.254.169.254 leads to it; of values it quotes only paths.

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

    from imds_shim.endpoints import IPAddress

_BEFORE_THE_IMDS = (
    ("AWS_ACCESS_KEY_ID", "SDKs use the credentials in the environment"),
    ("AWS_ACCESS_KEY", "older SDKs use the credentials in the environment"),
    ("AWS_PROFILE", "SDKs use the credentials of that profile or fail"),
    ("AWS_DEFAULT_PROFILE", "the AWS CLI and boto3 use the credentials of that profile or fail"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "SDKs use the credentials of that web identity"),
)
_CONTAINER_CREDENTIALS = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_ECS = f"http://{endpoints.SERVICES['ecs'][0]}"
_ENDPOINT_AND_MODE = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
_REMOVE = "take it out of the service's environment"
_HTTPS_PORT = 443
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


class SdkOverride(Record):
    """One thing that hides the mock, and the environment lines of a compose file that cure it."""

    what: str
    environment: Mapping[str, str] = {}


def find_overrides(
    variables: Mapping[str, str], services: Collection[str] = ("ec2",), *, ipv6: bool = False
) -> Iterator[SdkOverride]:
    """Say what in this environment, and in the home folder that it names, hides the mock from an SDK.

    Args:
        variables: the environment that the command gets.
        services: those of `endpoints.SERVICES` that lead to the mock.
        ipv6: whether their IPv6 addresses do so, too.
    """
    for name, what in _BEFORE_THE_IMDS:
        if variables.get(name):
            yield SdkOverride(f"{name} is set, so {what} and do not ask 169.254.169.254 for any; {_REMOVE}")
    yield from _container_credentials(variables, endpoints.of(services, ipv6=True))
    yield from _imds_settings(variables, services, ipv6=ipv6)
    yield from _shared_files(variables)
    yield from _proxy(variables, endpoints.of(services, ipv6=False))


def _container_credentials(variables: Mapping[str, str], mocked: Sequence[IPAddress]) -> Iterator[SdkOverride]:
    # The mock answers there itself with `agents.any_host`, which only the mock knows.
    reached = [*map(shown, mocked), _mock(variables)]
    services = list(map(shown, endpoints.of(endpoints.SERVICES, ipv6=True)))
    for name in _CONTAINER_CREDENTIALS:
        value = variables.get(name)
        # The relative one is a path at the address of ECS.
        host = _host(value if value and name.endswith("FULL_URI") else _ECS)
        if value and host not in reached:
            or_add = ", or add the endpoint's service to MOCK_ENDPOINTS" if host in services else ""
            yield SdkOverride(
                f"{name} is set, so SDKs ask that container endpoint for credentials and not 169.254.169.254; "
                f"{_REMOVE}{or_add}"
            )


def _imds_settings(variables: Mapping[str, str], services: Collection[str], *, ipv6: bool) -> Iterator[SdkOverride]:
    disabled, endpoint, mode = "AWS_EC2_METADATA_DISABLED", *_ENDPOINT_AND_MODE
    if variables.get(disabled, "").lower() == "true":
        yield SdkOverride(
            f"{disabled} is true, so SDKs never ask 169.254.169.254; set it to false", {disabled: "false"}
        )
    mocked = [*map(shown, endpoints.of(services, ipv6=ipv6)), _mock(variables)]
    if variables.get(endpoint):
        if _host(variables[endpoint]) not in mocked:
            yield SdkOverride(
                f"{endpoint} is set to another address, so newer SDKs ask there and not 169.254.169.254; {_REMOVE}"
            )
    elif variables.get(mode, "").lower() == "ipv6" and shown(endpoints.IMDS[1]) not in mocked:
        yield SdkOverride(
            f"{mode} is IPv6, so newer SDKs ask [{endpoints.IMDS[1]}], which does not lead to the mock; "
            f"{_REMOVE}, or set MOCK_IPV6=1"
        )


def _mock(variables: Mapping[str, str]) -> str:
    """`host:port` of the mock itself."""
    host = variables.get("MOCK_HOSTNAME", "").strip().lower().strip("[]")
    return f"{f'[{host}]' if ':' in host else host}:{variables.get('MOCK_PORT', '').strip() or endpoints.PORT}"


def _host(url: str) -> str:
    """`host:port` of a URL; port 80 unless it or its scheme says another."""
    scheme, separator, rest = url.partition("://")
    host = (rest if separator else url).partition("/")[0].rpartition("@")[2].lower()
    if host.rpartition(":")[2].isdecimal() and not host.endswith("]"):
        return host
    return f"{host}:{_HTTPS_PORT if scheme.lower() == 'https' else endpoints.PORT}"


def _shared_files(variables: Mapping[str, str]) -> Iterator[SdkOverride]:
    home = variables.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - HOME of the command, not of this process
    for name, default in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")):
        path = variables.get(name) or f"{home}/.aws/{default}"
        if path.startswith("~/"):
            path = home + path[1:]
        # An empty one has neither.
        if os.path.isfile(path) and os.path.getsize(path):  # noqa: PTH113, PTH202 - as above
            yield SdkOverride(
                f"{path} exists, so SDKs prefer its credentials and region to those of 169.254.169.254; "
                "do not mount or copy it into the container"
            )


def _proxy(variables: Mapping[str, str], mocked: Sequence[IPAddress]) -> Iterator[SdkOverride]:
    proxy = next((name for name in _PROXIES if variables.get(name)), None)
    if proxy is None:
        return
    spared = [variables[name] for name in ("no_proxy", "NO_PROXY") if variables.get(name)] or [""]
    asked = [str(address) for address in mocked if not all(_spares(text, address) for text in spared)]
    if asked:
        lists = {name: ",".join(filter(None, [variables.get(name), *asked])) for name in ("no_proxy", "NO_PROXY")}
        listed = ", ".join(asked)
        yield SdkOverride(
            f"{proxy} is set and NO_PROXY does not name {listed}, so clients ask the proxy instead; "
            f"add {listed} to NO_PROXY and no_proxy",
            lists,
        )


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
