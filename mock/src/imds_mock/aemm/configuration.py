"""Applies AEMM's settings to a configuration: its listener, its metadata options and its section `aemm`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from msgspec import structs

from imds_mock.aemm.keys import NAME, STARTUP_KEYS, UsageError
from imds_mock.aemm.leaves import build_leaves
from imds_mock.config.errors import SettingError
from imds_mock.config.variants import require_one_instance

if TYPE_CHECKING:
    from imds_mock.aemm.settings import Settings
    from imds_mock.config.settings import Config

_ALL_ADDRESSES: Final = ("", "0.0.0.0", "::")  # noqa: S104 - AEMM's values for all addresses


def apply_settings(settings: Settings, base: Config) -> Config:
    """The configuration with AEMM's settings.

    Args:
        settings: AEMM's settings.
        base: A configuration with `compatibility: aemm`.

    Raises:
        UsageError: A setting is invalid.
    """
    try:
        require_one_instance(base)
    except SettingError as error:
        raise UsageError(str(error)) from error
    server = base.server
    if "server.hostname" in settings.origins:
        server = structs.replace(server, hosts=_hosts(settings))
    if "server.port" in settings.origins:
        server = structs.replace(server, port=settings.number("server.port"))
    options = base.metadata_options
    if "imdsv2" in settings.origins:
        options = structs.replace(options, http_tokens="required" if settings.is_on("imdsv2") else "optional")
    # Only to check the paths here, where a message can name the source of an invalid one.
    build_leaves(settings, 0.0)
    section = {name: value for name, value in settings.section().items() if name not in STARTUP_KEYS}
    return structs.replace(base, compatibility=NAME, server=server, metadata_options=options, aemm=section)


def _hosts(settings: Settings) -> tuple[str, ...]:
    name = "server.hostname"
    written = settings.text(name)
    host = written.removeprefix("[").removesuffix("]")
    if host in _ALL_ADDRESSES:
        return ()
    if host == "localhost":
        return ("127.0.0.1",)
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError as error:
        place = settings.origins.get(name, name)
        raise UsageError(f"{place}: expected an IP address or localhost to listen on, got {written!r}") from error
