"""The setting `callers.name_server` taken apart, and checked: with one that cannot be nobody would have a name."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from imds_mock.config.errors import SettingError

if TYPE_CHECKING:
    from imds_mock.config.callers import CallerSettings

_DNS_PORT: Final = 53
_LARGEST_PORT: Final = 65535


def split_name_server(text: str) -> tuple[str, int]:
    """Address and port of a name server.

    Args:
        text: `ADDRESS` or `ADDRESS:PORT`, with an IPv6 address in brackets where a port follows.
    """
    host, separator, port = text.rpartition(":")
    if separator and host and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return text.strip("[]"), _DNS_PORT


def require_name_server(settings: CallerSettings) -> None:
    """Check that there can be such a name server.

    Raises:
        SettingError: There cannot.
    """
    if not settings.name_server:
        return
    host, port = split_name_server(settings.name_server)
    try:
        ip_address(host)
        wrong = "" if 1 <= port <= _LARGEST_PORT else f"{port} is no port"
    except ValueError as error:
        wrong = str(error)
    if wrong:
        raise SettingError(("callers", "name_server"), f"expected an address such as 127.0.0.11:53: {wrong}")
