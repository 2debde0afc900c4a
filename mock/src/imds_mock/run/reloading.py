"""The configuration read anew while the mock runs: taken over whole, or not at all."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from imds_mock.config.errors import SettingError
from imds_mock.config.settings import FIXED_SECTIONS
from imds_mock.errors import MockError
from imds_mock.log import say
from imds_mock.run.file_changes import watch
from imds_mock.run.reading import anew
from imds_mock.state.snapshots import ConflictingPathsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imds_mock.config.settings import Config
    from imds_mock.run.file_changes import Mark
    from imds_mock.state.runtime import Runtime
    from imds_mock.state.state import State


async def follow(runtime: Runtime, read: Callable[[], Config], file: Path | None, seen: Mark) -> None:
    """Reload on SIGHUP, and when the configuration file changes, until cancelled.

    Args:
        runtime: The mock.
        read: Reads the configuration from all its sources.
        file: The configuration file, if there is one.
        seen: The state of that file that is in force.
    """
    reloader = Reloader(runtime.state, read, say, runtime.reloads)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask)
    watching = [watch(file, reloader.ask, seen)] if file and runtime.state.config.server.watch_config else []
    await asyncio.gather(reloader.run(), *watching)


class Reloader:
    """Reads the configuration and puts it in force.

    Args:
        state: What it is put in force in.
        read: Reads it from all its sources; see `anew`.
        log: Takes a sentence for the log.
        counts: Outcome (`applied`, `refused`) to how often; is kept up to date.
    """

    def __init__(
        self, state: State, read: Callable[[], Config], log: Callable[[str], None], counts: dict[str, int]
    ) -> None:
        self._state = state
        self._read = read
        self._log = log
        self._counts = counts
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have it done soon; asking again before it is done changes nothing."""
        self._asked.set()

    async def run(self) -> None:
        """Reload whenever asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.reload()

    async def reload(self) -> None:
        """Reload once; when that cannot be, everything stays as it was and the log says why."""
        try:
            config = await anew(self._read)
            current = self._state.config
            kept = {section: getattr(current, section) for section in FIXED_SECTIONS}
            waiting = [section for section in FIXED_SECTIONS if getattr(config, section) != kept[section]]
            for _ in self._state.restarting_from(replace(config, **kept)):
                await asyncio.sleep(0)
        except (MockError, SettingError, ConflictingPathsError) as error:
            self._counts["refused"] += 1
            self._log(f"configuration not taken over, the one before stays in force: {error}")
            return
        self._counts["applied"] += 1
        self._log("configuration taken over")
        for section in waiting:
            self._log(f"the section {section} takes effect at the next start")
