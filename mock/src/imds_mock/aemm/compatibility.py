"""The `aemm` profile as one value: settings turned into what the server is made from, anew at each reload."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from msgspec import structs

from imds_mock.aemm import events, pages
from imds_mock.aemm.admission import Places
from imds_mock.aemm.errors import UsageError
from imds_mock.aemm.leaves import event_paths, leaves
from imds_mock.profiles import Profile
from imds_mock.store import Snapshot
from imds_mock.tree import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.aemm.settings import Settings
    from imds_mock.settings import Config
    from imds_mock.tree import Leaf

NAME: Final = "aemm"
VERSIONS: Final = (LATEST,)
EMULATED_VERSION: Final = "v1.13.0"

_LISTING_ENDS: Final = dict.fromkeys(("/", "/latest", "/latest/meta-data", "/latest/dynamic"), b"\n")
_EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - AEMM's word for every address of both families
_FEATURES: Final = (events.SPOT_KEYS, events.EVENT_KEYS, events.LIFECYCLE_KEYS)


@dataclass(frozen=True, slots=True)
class Emulation:
    """What the server is made from.

    Attributes:
        settings: AEMM's settings in force.
        config: The configuration in force; AEMM's settings are part of it.
        leaves: Path below the version to leaf.
        profile: What differs from the real service.
        started: Start of the program in seconds since the epoch.
    """

    settings: Settings
    config: Config
    leaves: Mapping[str, Leaf]
    profile: Profile
    started: float

    def snapshot(self, leaves: Mapping[str, Leaf] | None = None) -> Snapshot:
        """The state that these make.

        Args:
            leaves: Leaves to serve in place of its own: its own with events laid over them.

        Raises:
            ValueError: The paths contradict each other (see `Tree`).
        """
        snapshot = Snapshot.build(
            self.leaves if leaves is None else leaves,
            {},
            self.config.metadata_options,
            instance_id=self.settings.text("metadata.values.instance-id"),
            started=self.started,
        )
        return replace(snapshot, versions=VERSIONS, profile=self.profile)


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What outlives a reload.

    Attributes:
        started: Start of the program in seconds since the epoch; delays count from it.
        reason: Why the profile is on.
        base: The configuration under AEMM's settings: what AEMM has no setting for, and defaults.
        places: Who has seen which kind of event, by the keys of its leaves.
    """

    started: float
    reason: str
    base: Config
    places: dict[tuple[str, ...], Places] = field(default_factory=lambda: {feature: Places(0) for feature in _FEATURES})

    def build(self, settings: Settings) -> Emulation:
        """Turn settings into what the server is made from.

        Args:
            settings: The settings.

        Raises:
            UsageError: A setting cannot be served; nothing has changed then.
        """
        config = _configured(self.base, settings)
        built = leaves(settings, self.started)
        paths = event_paths(settings)
        count = settings.number("mock-ip-count")
        admissions: dict[str, Callable[[str], bool]] = {}
        for keys, places in self.places.items():
            places.count = count
            admissions |= {paths[key]: places.admit for key in keys if key in paths}
        profile = Profile(NAME, self.reason, pages.PAGES, _LISTING_ENDS, admissions, pages.UNREADABLE)
        return Emulation(settings, config, built, profile, self.started)


def _configured(base: Config, settings: Settings) -> Config:
    """Lay what AEMM's settings say about the listener and the options over a configuration."""
    server, options = base.server, structs.replace(base.metadata_options, instance_metadata_tags="enabled")
    if "server.hostname" in settings.origins:
        server = structs.replace(server, hosts=_hosts(settings))
    if "server.port" in settings.origins:
        server = structs.replace(server, port=settings.number("server.port"))
    if settings.is_on("imdsv2"):
        options = structs.replace(options, http_tokens="required")
    return structs.replace(base, server=server, metadata_options=options)


def _hosts(settings: Settings) -> tuple[str, ...]:
    name = "server.hostname"
    written = settings.text(name)
    host = written.removeprefix("[").removesuffix("]")
    if host in {"", _EVERY_ADDRESS, "::"}:
        return ()
    if host == "localhost":
        return ("127.0.0.1",)
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError as error:
        raise UsageError(
            f"{settings.origins[name]}: expected an IP address or localhost to listen on, got {written!r}"
        ) from error
