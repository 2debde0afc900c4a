"""The `aemm` profile as one value: settings turned into what the server is made from, anew at each reload."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imds_mock.aemm import events, pages
from imds_mock.aemm.admission import Places
from imds_mock.aemm.errors import UsageError
from imds_mock.aemm.leaves import event_paths, leaves
from imds_mock.config import MetadataOptions
from imds_mock.profiles import Profile
from imds_mock.store import Snapshot
from imds_mock.tree import LATEST, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.aemm.settings import Settings
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
        settings: The settings in force.
        leaves: Path below the version to leaf.
        options: How the metadata service answers.
        profile: What differs from the real service.
        instance_id: The instance's id.
        started: Start of the program in seconds since the epoch.
    """

    settings: Settings
    leaves: dict[str, Leaf]
    options: MetadataOptions
    profile: Profile
    instance_id: str
    started: float

    @property
    def hosts(self) -> tuple[str, ...]:
        """IP addresses to listen on; none means all."""
        return hosts(self.settings)

    @property
    def port(self) -> int:
        """TCP port to listen on."""
        return self.settings.number("server.port")

    def snapshot(self, leaves: Mapping[str, Leaf] | None = None) -> Snapshot:
        """The state that these make.

        Args:
            leaves: Leaves to serve in place of its own: its own with events laid over them.
        """
        tree = Tree(self.leaves if leaves is None else leaves)
        return Snapshot(tree, self.options, self.instance_id.encode(), self.started, VERSIONS, self.profile)


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What outlives a reload.

    Attributes:
        started: Start of the program in seconds since the epoch; delays count from it.
        places: Who has seen which kind of event, by the keys of its leaves.
    """

    started: float
    places: dict[tuple[str, ...], Places] = field(default_factory=lambda: {feature: Places(0) for feature in _FEATURES})

    def build(self, settings: Settings) -> Emulation:
        """Turn settings into what the server is made from.

        Args:
            settings: The settings.

        Raises:
            UsageError: A setting cannot be served; nothing has changed then.
        """
        built = leaves(settings, self.started)
        hosts(settings)
        paths = event_paths(settings)
        count = settings.number("mock-ip-count")
        admissions: dict[str, Callable[[str], bool]] = {}
        for keys, places in self.places.items():
            places.count = count
            admissions |= {paths[key]: places.admit for key in keys if key in paths}
        return Emulation(
            settings,
            built,
            MetadataOptions(
                http_tokens="required" if settings.is_on("imdsv2") else "optional",
                instance_metadata_tags="enabled",
                not_found_content_type=pages.CONTENT_TYPE,
                bad_request_content_type=pages.CONTENT_TYPE,
            ),
            Profile(NAME, pages.PAGES, _LISTING_ENDS, admissions, pages.UNREADABLE),
            settings.text("metadata.values.instance-id"),
            self.started,
        )


def hosts(settings: Settings) -> tuple[str, ...]:
    """The IP addresses to listen on.

    Args:
        settings: The settings.

    Returns:
        Addresses; none means every address of both families.

    Raises:
        UsageError: It is no IP address and not `localhost`.
    """
    name = "server.hostname"
    written = settings.text(name)
    host = written.removeprefix("[").removesuffix("]")
    if host in {"", _EVERY_ADDRESS}:
        return ()
    if host == "localhost":
        return ("127.0.0.1",)
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError as error:
        origin = settings.origins.get(name, "default")
        raise UsageError(f"{origin}: expected an IP address or localhost to listen on, got {written!r}") from error
