"""The leaves of an instance's metadata: derived from its facts, then overridden by path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.credentials.documents import Roles
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.credentials.sources import select_source
from imds_mock.metadata.catalogue import INTERFACE_PATH, INTERFACE_ROWS, ROWS
from imds_mock.metadata.instance import derive
from imds_mock.metadata.override_parsing import parse_overrides
from imds_mock.metadata.overrides import apply_overrides
from imds_mock.metadata.rows import Facts, InterfaceFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.config.settings import Config
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.credentials.values import CredentialSource
    from imds_mock.metadata.instance import Instance
    from imds_mock.metadata.tree import Leaf
    from imds_mock.signing.signer import Signer

_PUBLIC_KEYS: Final = "meta-data/public-keys/"


def build_leaves(
    config: Config,
    *,
    started: float,
    signer: Signer,
    refreshable_for: Callable[[CredentialRequest], RefreshableCredentials] = NotRefreshed,
) -> tuple[dict[str, Leaf], dict[str, str]]:
    """Build the metadata of the configured instance.

    Args:
        config: The configuration.
        started: When the mock started, in seconds since the epoch.
        signer: Signs the identity document.
        refreshable_for: Provides the credentials of a request, kept up to date.

    Returns:
        Leaves by path relative to the version, and the labels of categories (see `Tree`).

    Raises:
        SettingError: The facts contradict each other.
    """
    instance = derive(config.instance, started)
    return overridden(config, instance, derived_leaves(config, instance, signer, refreshable_for))


def derived_leaves(
    config: Config,
    instance: Instance,
    signer: Signer,
    refreshable_for: Callable[[CredentialRequest], RefreshableCredentials] = NotRefreshed,
) -> Mapping[str, Leaf]:
    """The leaves derived from an instance's facts and its role's credentials, without overrides.

    Args:
        config: The configuration.
        instance: Its instance.
        signer: Signs the identity document.
        refreshable_for: Provides the credentials of a request, kept up to date.
    """

    def source(role: str) -> CredentialSource:
        return select_source(config.credentials, instance, role, refreshable_for)

    facts = Facts(instance, Roles(instance, config.credentials, source), signer.sign(instance))
    leaves: dict[str, Leaf] = {}
    for row in ROWS:
        leaves.update(row.leaves(facts))
    for interface in instance.interfaces:
        below = INTERFACE_PATH.replace("<mac>", interface.mac)
        for interface_row in INTERFACE_ROWS:
            leaves.update(interface_row.leaves(InterfaceFacts(instance, interface), below))
    return leaves


def overridden(
    config: Config, instance: Instance, derived: Mapping[str, Leaf]
) -> tuple[dict[str, Leaf], dict[str, str]]:
    """The leaves with overrides applied, and the labels of categories.

    Args:
        config: The configuration.
        instance: Its instance.
        derived: The derived leaves; not changed.

    Raises:
        SettingError: A path or value is invalid.
    """
    leaves, labels = dict(derived), dict[str, str]()
    apply_overrides(leaves, labels, parse_overrides(config.metadata))
    return leaves, labels | _labels(leaves, instance)


def _labels(leaves: dict[str, Leaf], instance: Instance) -> dict[str, str]:
    names = {str(index): name for index, (name, _) in enumerate(instance.public_keys)}
    indexes = {path.removeprefix(_PUBLIC_KEYS).partition("/")[0] for path in leaves if path.startswith(_PUBLIC_KEYS)}
    # A key that was added by path has no name, but clients expect one.
    return {f"{_PUBLIC_KEYS}{index}": f"{index}={names.get(index, f'key-{index}')}" for index in indexes}
