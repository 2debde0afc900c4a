"""Finds settings that keep an SDK from asking the mock although 169.254.169.254 reaches it; quotes only file paths.

Sources: the credential provider chains of the AWS SDKs and the AWS CLI (environment, shared files, container endpoint,
then the IMDS) and their IMDS settings, in the "AWS SDKs and Tools Reference Guide".
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING

from imds_shim.endpoints import IMDS, PORT, SERVICES, addresses_of, format_address
from imds_shim.frozen_record import FrozenRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from imds_shim.endpoints import IPAddress

_CREDENTIAL_VARIABLES = (
    ("AWS_ACCESS_KEY_ID", "SDKs use the credentials in the environment"),
    ("AWS_ACCESS_KEY", "older SDKs use the credentials in the environment"),
    ("AWS_PROFILE", "SDKs use the credentials of that profile or fail"),
    ("AWS_DEFAULT_PROFILE", "the AWS CLI and boto3 use the credentials of that profile or fail"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "SDKs use the credentials of that web identity"),
)
_CONTAINER_CREDENTIALS = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_ECS = f"http://{SERVICES['ecs'][0]}"
_ENDPOINT_AND_MODE = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
_HTTPS_PORT = 443
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


class SdkOverride(FrozenRecord):
    """A setting that overrides the mock, and the variables that fix it."""

    description: str
    environment: Mapping[str, str] = {}


def find_overrides(
    variables: Mapping[str, str], services: Collection[str] = ("ec2",), *, ipv6: bool = False
) -> Iterator[SdkOverride]:
    """Return what in this environment, or in its home directory, keeps an SDK from asking the mock.

    Args:
        variables: the environment that the command gets.
        services: the names in `endpoints.SERVICES` that are redirected to the mock.
        ipv6: whether their IPv6 addresses are redirected, too.
    """
    for name, effect in _CREDENTIAL_VARIABLES:
        if variables.get(name):
            yield SdkOverride(f"{name} is set, so {effect} and do not ask 169.254.169.254; {_remove()}")
    yield from _container_credentials(variables, addresses_of(services, ipv6=True))
    yield from _imds_settings(variables, services, ipv6=ipv6)
    yield from _shared_files(variables)
    yield from _proxy(variables, addresses_of(services, ipv6=False))


def _remove() -> str:
    from imds_shim.surroundings import here

    return here().remove_variable


def _container_credentials(variables: Mapping[str, str], mocked: Sequence[IPAddress]) -> Iterator[SdkOverride]:
    # With `agents.any_host` the mock itself is a container endpoint; only the mock knows that setting.
    reached = [*map(format_address, mocked), _mock_address(variables)]
    services = list(map(format_address, addresses_of(SERVICES, ipv6=True)))
    for name in _CONTAINER_CREDENTIALS:
        value = variables.get(name)
        # The relative URI is a path at the ECS address.
        host = _url_address(value if value and name.endswith("FULL_URI") else _ECS)
        if value and host not in reached:
            or_add = ", or add the endpoint's service to MOCK_ENDPOINTS" if host in services else ""
            yield SdkOverride(
                f"{name} is set, so SDKs ask that container endpoint for credentials instead of 169.254.169.254; "
                f"{_remove()}{or_add}"
            )


def _imds_settings(variables: Mapping[str, str], services: Collection[str], *, ipv6: bool) -> Iterator[SdkOverride]:
    disabled, endpoint, mode = "AWS_EC2_METADATA_DISABLED", *_ENDPOINT_AND_MODE
    if variables.get(disabled, "").lower() == "true":
        yield SdkOverride(
            f"{disabled} is true, so SDKs never ask 169.254.169.254; set it to false", {disabled: "false"}
        )
    mocked = [*map(format_address, addresses_of(services, ipv6=ipv6)), _mock_address(variables)]
    if variables.get(endpoint):
        if _url_address(variables[endpoint]) not in mocked:
            yield SdkOverride(
                f"{endpoint} is set to another address, so newer SDKs ask there instead of 169.254.169.254; {_remove()}"
            )
    elif variables.get(mode, "").lower() == "ipv6" and format_address(IMDS[1]) not in mocked:
        yield SdkOverride(
            f"{mode} is IPv6, so newer SDKs ask [{IMDS[1]}], which is not redirected to the mock; "
            f"{_remove()}, or set MOCK_IPV6=1"
        )


def _mock_address(variables: Mapping[str, str]) -> str:
    """Return `host:port` of the mock."""
    host = variables.get("MOCK_HOSTNAME", "").strip().lower().strip("[]")
    return f"{f'[{host}]' if ':' in host else host}:{variables.get('MOCK_PORT', '').strip() or PORT}"


def _url_address(url: str) -> str:
    """Return `host:port` of a URL; the port defaults to that of the scheme."""
    scheme, separator, rest = url.partition("://")
    host = (rest if separator else url).partition("/")[0].rpartition("@")[2].lower()
    if host.rpartition(":")[2].isdecimal() and not host.endswith("]"):
        return host
    return f"{host}:{_HTTPS_PORT if scheme.lower() == 'https' else PORT}"


def _shared_files(variables: Mapping[str, str]) -> Iterator[SdkOverride]:
    home = variables.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - HOME of the command, not of this process
    for name, default in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")):
        path = variables.get(name) or f"{home}/.aws/{default}"
        if path.startswith("~/"):
            path = home + path[1:]
        # An empty file has neither.
        if os.path.isfile(path) and os.path.getsize(path):  # noqa: PTH113, PTH202 - as above
            yield SdkOverride(
                f"{path} exists, so SDKs use its credentials and region instead of those of 169.254.169.254; "
                "do not mount or copy it into the container"
            )


def _proxy(variables: Mapping[str, str], mocked: Sequence[IPAddress]) -> Iterator[SdkOverride]:
    proxy = next((name for name in _PROXIES if variables.get(name)), None)
    if proxy is None:
        return
    no_proxy_lists = [variables[name] for name in ("no_proxy", "NO_PROXY") if variables.get(name)] or [""]
    proxied = [str(address) for address in mocked if not all(_excludes(text, address) for text in no_proxy_lists)]
    if proxied:
        lists = {name: ",".join(filter(None, [variables.get(name), *proxied])) for name in ("no_proxy", "NO_PROXY")}
        listed = ", ".join(proxied)
        yield SdkOverride(
            f"{proxy} is set and NO_PROXY does not name {listed}, so clients ask the proxy instead; "
            f"add {listed} to NO_PROXY and no_proxy",
            lists,
        )


def _excludes(no_proxy: str, address: IPAddress) -> bool:
    for entry in no_proxy.replace(",", " ").split():
        if entry == "*":
            return True
        try:
            if address in ipaddress.ip_network(entry.removesuffix(":80"), strict=False):
                return True
        except ValueError:
            continue
    return False
