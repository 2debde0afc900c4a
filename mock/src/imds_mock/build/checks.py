"""The checks that the schema cannot express: settings that must agree with each other."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from imds_mock.agents.document_overrides import DocumentOverrides
from imds_mock.config.errors import SettingError
from imds_mock.config.shapes import split_name_server
from imds_mock.config.variants import require_one_instance
from imds_mock.credentials.sources import check_credentials
from imds_mock.metadata.instance import derive, require_tag_keys
from imds_mock.metadata.override_parsing import parse_overrides

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.settings import Config


def check(config: Config) -> None:
    """Check a configuration that fits the schema.

    Raises:
        SettingError: The first contradiction; names the key.
    """
    for require in CHECKS:
        require(config)


def _require_name_server(config: Config) -> None:
    try:
        if config.callers.name_server:
            split_name_server(config.callers.name_server)
    except ValueError as error:
        sentence = f"expected an address such as 127.0.0.11:53, got {config.callers.name_server!r}"
        raise SettingError(("callers", "name_server"), sentence) from error


def _require_addresses(config: Config) -> None:
    for section, hosts in (("server", config.server.hosts), ("control", config.control.hosts)):
        for place, host in enumerate(hosts):
            try:
                ip_address(host)
            except ValueError as error:
                sentence = f"expected an IP address such as 127.0.0.1, got {host!r}"
                raise SettingError((section, "hosts", place), sentence) from error


def _require_tag_keys(config: Config) -> None:
    if config.metadata_options.instance_metadata_tags == "enabled":
        require_tag_keys(config.instance)


CHECKS: Final[tuple[Callable[[Config], object], ...]] = (
    require_one_instance,
    _require_addresses,
    _require_name_server,
    lambda config: derive(config.instance, 0.0),
    lambda config: parse_overrides(config.metadata),
    lambda config: DocumentOverrides(config.ecs.documents),
    _require_tag_keys,
    lambda config: check_credentials(config.credentials),
)
"""The checks; each raises `SettingError` with the first contradiction that it finds."""
