"""Builds configurations with the data and behaviour of amazon-ec2-metadata-mock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import field
from msgspec.structs import replace

from imds_mock.aemm import events, pages
from imds_mock.aemm.events import ClientLimit
from imds_mock.aemm.keys import NAME, STARTUP_KEYS, UsageError
from imds_mock.aemm.leaves import ROOT, build_leaves, event_paths
from imds_mock.aemm.native_settings import find_changes
from imds_mock.aemm.settings import read_section
from imds_mock.build.built_config import BuiltConfig
from imds_mock.build.leaves import derived_leaves
from imds_mock.config.errors import ConfigError, SettingError
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.metadata.override_parsing import parse_overrides
from imds_mock.metadata.overrides import apply_overrides
from imds_mock.metadata.tree import LATEST
from imds_mock.records import Record
from imds_mock.service.snapshot import Compatibility as Differences
from imds_mock.service.snapshot import Snapshot
from imds_mock.signing.signer import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.aemm.settings import Settings
    from imds_mock.config.settings import Config
    from imds_mock.credentials.refreshable import RefreshableCredentials
    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.metadata.tree import Leaf

VERSIONS: Final = (LATEST,)

_LISTING_ENDS: Final = dict.fromkeys(("/", "/latest", "/latest/meta-data", "/latest/dynamic"), b"\n")
_FEATURES: Final = (events.SPOT_KEYS, events.EVENT_KEYS, events.LIFECYCLE_KEYS)


class AemmBuilder(Record, frozen=True):
    """Builds configurations with `compatibility: aemm`.

    Attributes:
        started: Start of the program in seconds since the epoch; delays count from it.
        reason: Why amazon-ec2-metadata-mock's data is served.
        refreshable_for: Provides the credentials of a request, kept up to date.
        limits: The clients that see each kind of event, by the keys of its leaves; a reload keeps them.
    """

    started: float
    reason: str
    refreshable_for: Callable[[CredentialRequest], RefreshableCredentials] = NotRefreshed
    limits: dict[tuple[str, ...], ClientLimit] = field(
        default_factory=lambda: {feature: ClientLimit(0) for feature in _FEATURES}
    )

    def build(self, config: Config) -> BuiltConfig:
        """Build a configuration.

        Args:
            config: The configuration; its section `aemm` and its overrides by path apply.

        Raises:
            ConfigError: A setting is invalid.
        """
        try:
            own = find_changes(
                config, self.started, partial(derived_leaves, signer=Signer(), refreshable_for=self.refreshable_for)
            )
            settings = read_section(config.aemm, own.values)
            _require_effect(settings)
            leaves = build_leaves(settings, self.started, own)
            paths = event_paths(settings)
            labels: dict[str, str] = {}
            apply_overrides(leaves, labels, parse_overrides(config.metadata))
        except UsageError as error:
            raise ConfigError(str(error), (NAME,)) from error
        except SettingError as error:
            raise ConfigError(str(error), error.path) from error
        count = settings.number("mock-ip-count")
        admitted = {paths[key]: limit for keys, limit in self.limits.items() for key in keys if key in paths}

        def build_snapshot(laid: Mapping[str, Leaf]) -> Snapshot:
            for limit in self.limits.values():
                limit.count = count
            admissions = {
                ROOT + path: admitted[ROOT + path].admit
                for path, leaf in laid.items()
                if callable(leaf.body) and ROOT + path in admitted
            }
            snapshot = Snapshot.build(
                laid,
                labels,
                config.metadata_options,
                instance_id=settings.text("metadata.values.instance-id"),
                started=self.started,
            )
            compatibility = Differences(NAME, self.reason, pages.PAGES, _LISTING_ENDS, admissions, pages.UNREADABLE)
            return replace(snapshot, versions=config.versions or VERSIONS, compatibility=compatibility)

        return BuiltConfig(leaves, build_snapshot)

    def reset(self) -> None:
        """Do nothing: a reset keeps which clients have seen which event."""


def _require_effect(settings: Settings) -> None:
    """Reject settings that only take effect at a start."""
    for name in settings.given:
        if name in STARTUP_KEYS:
            advice = f"; set {STARTUP_KEYS[name]}" if STARTUP_KEYS[name] else ""
            raise UsageError(f"key {name} in section aemm: has no effect while the mock runs{advice}")
