"""Reloads of the configuration while the mock runs: as a whole, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import field
from msgspec.structs import replace

from imds_mock.config.errors import SettingError
from imds_mock.config.settings import FIXED_SECTIONS
from imds_mock.errors import MockError
from imds_mock.records import Record
from imds_mock.run.config_reader import ConfigReader, read_in_background
from imds_mock.run.file_changes import mark
from imds_mock.state.snapshots import ConflictingPathsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imds_mock.config.settings import Config
    from imds_mock.run.file_changes import Mark
    from imds_mock.state.state import State


_BY_SETTING: Final = "the setting compatibility"


class ConfigSource(Record, frozen=True):
    """Where a configuration comes from.

    Attributes:
        read: Reads it from all its sources; see `read_in_background`.
        file: The file to watch, if there is one.
        seen: The state of that file before it was read.
        reason: Why amazon-ec2-metadata-mock's data is served, for the start message.
        places: The file, variable or flag that sets each key, as last read; empty if `read` does not tell.
    """

    read: Callable[[], Config]
    file: Path | None = None
    seen: Mark = None
    reason: str = _BY_SETTING
    places: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def watching(cls, read: Callable[[], Config], file: Path | None, reason: str = "") -> ConfigSource:
        """A source whose file is watched from now on; call it before the first `read`."""
        places = read.places if isinstance(read, ConfigReader) else {}
        return cls(read, file, mark(file) if file else None, reason or _BY_SETTING, places)


class Reloader:
    """Reads the configuration and puts it in force.

    Args:
        state: Takes the configuration.
        read: Reads it from all its sources; see `read_in_background`.
        log: Receives a sentence for the log.
        counts: How often, by outcome (`applied`, `refused`); is kept up to date.
    """

    def __init__(
        self, state: State, read: Callable[[], Config], log: Callable[[str], None], counts: dict[str, int]
    ) -> None:
        self._state = state
        self._read = read
        self._log = log
        self._counts = counts
        self._requested = asyncio.Event()

    def request(self) -> None:
        """Reload soon; further requests before that change nothing."""
        self._requested.set()

    async def run(self) -> None:
        """Reload at each request, until canceled."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            await self.reload()

    async def reload(self) -> None:
        """Reload once. If the new configuration is invalid, nothing changes and the log says why."""
        try:
            config = await read_in_background(self._read)
            current = self._state.config
            kept = {section: getattr(current, section) for section in FIXED_SECTIONS}
            waiting = [section for section in FIXED_SECTIONS if getattr(config, section) != kept[section]]
            for _ in self._state.restarting_from(replace(config, **kept)):
                await asyncio.sleep(0)
        except (MockError, SettingError, ConflictingPathsError, OSError) as error:  # OSError: no free descriptor
            self._counts["refused"] += 1
            self._log(f"cannot reload the configuration, keeping the previous one: {error}")
            return
        self._counts["applied"] += 1
        self._log("configuration reloaded")
        for section in waiting:
            self._log(f"changes to section {section} take effect at the next start")
