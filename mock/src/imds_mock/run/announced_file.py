"""The file in which a mock keeps what containers have announced, for its next start.

Init containers announce once: without the file, a restart of the mock forgets who they are. It also keeps applications
from announcing something else after a restart. It has the mode 600, because user data may contain secrets, and is
replaced as a whole, so that a mock that is killed leaves the old one or the new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock import atomic_files
from imds_mock.bounded_files import read_beginning
from imds_mock.callers.announcements import Announcement
from imds_mock.callers.caller import Announced, is_address
from imds_mock.errors import EX_CANTCREAT, MockError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.config.settings import Config

MAX_BYTES: Final = 4 << 20
"""The largest file; the oldest announcements are left out."""

_PAUSE_SECONDS: Final = 0.2


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One announcement; `instance` is None if it announces nothing."""

    address: str
    key: str
    name: str | None = None
    instance: dict[str, Any] | None = None
    mac: str | None = None
    container: str | None = None


class AnnouncedFileError(MockError):
    """The file cannot be read or written.

    Args:
        path: The file.
        cause: What the kernel said.
    """

    exit_code = EX_CANTCREAT

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"cannot keep announcements in {path}: {cause.strerror or cause}; choose another callers.announced_file"
        )


class AnnouncedFile:
    """Keeps the announcements of one run.

    Args:
        path: The file.
        callers: The known callers.
        report: Receives a sentence about a file that cannot be used, or not as a whole.
    """

    def __init__(self, path: Path, callers: CallerRegistry, report: Callable[[str], None]) -> None:
        self._path = path
        self._callers = callers
        self._report = report
        self._changed = asyncio.Event()

    def load(self) -> None:
        """Take over what the file has, and write it again to see that this works.

        Raises:
            AnnouncedFileError: It cannot be read or written.
        """
        try:
            atomic_files.require_replaceable(self._path)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            kept = self._read()
            self._callers.restore(kept)
            if kept:
                self._callers.on_change(None)
            self._save()
        except OSError as error:
            raise AnnouncedFileError(self._path, error) from error
        self._callers.announcements.on_change = self._changed.set

    async def keep(self) -> None:
        """Write the file after each change, until canceled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            writing = asyncio.create_task(asyncio.to_thread(self._write, self._callers.announcements.items()))
            try:
                self._report_left_out(await asyncio.shield(writing))
            except OSError as error:
                self._report(str(AnnouncedFileError(self._path, error)))
            except asyncio.CancelledError:
                # The thread must not replace what `close` writes by older announcements.
                await asyncio.gather(writing, return_exceptions=True)
                self._changed.set()
                raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Write the last changes."""
        if self._changed.is_set():
            try:
                self._save()
            except OSError as error:
                self._report(str(AnnouncedFileError(self._path, error)))

    def _read(self) -> list[tuple[str, Announcement]]:
        try:
            # Between the check and this, a neighbour who shares the folder may have replaced the file.
            content = read_beginning(self._path, MAX_BYTES + 1, is_regular=True)
        except FileNotFoundError:
            return []
        # The end of a file that is too large is missing, so it is not JSON.
        with contextlib.suppress(ValueError, RecursionError, msgspec.MsgspecError):
            return [_announcement(each) for each in msgspec.json.decode(content, type=list[_Kept])]
        # Another program's, or that of another version of the mock.
        aside = self._path.with_name(f"{self._path.name}.unreadable")
        self._path.replace(aside)
        self._report(f"{self._path} has no announcements that this mock can read; renamed it to {aside.name}")
        return []

    def _save(self) -> None:
        self._report_left_out(self._write(self._callers.announcements.items()))

    def _report_left_out(self, number: int) -> None:
        if number:
            self._report(f"{self._path} has no room for the {number} oldest announcements")

    def _write(self, items: Sequence[tuple[str, Announcement]]) -> int:
        """Replace the file; returns how many announcements have no room in it."""
        lines: list[bytes] = []
        left = MAX_BYTES - len(b"[\n\n]\n")
        for address, announcement in reversed(items):
            lines.append(msgspec.json.encode(_kept(address, announcement)))
            left -= len(lines[-1]) + len(b",\n")
            if left < 0:
                lines.pop()
                break
        content = b"[\n" + b",\n".join(reversed(lines)) + b"\n]\n"
        atomic_files.replace(self._path, content)
        return len(items) - len(lines)


def restored_announcements(
    config: Config, callers: CallerRegistry, report: Callable[[str], None]
) -> AnnouncedFile | None:
    """Take over the announcements of the configured file, if there is one.

    Args:
        config: The configuration.
        callers: The known callers.
        report: As for `AnnouncedFile`.

    Raises:
        AnnouncedFileError: The file cannot be read or written.
    """
    if config.callers.announced_file is None:
        return None
    file = AnnouncedFile(Path(config.callers.announced_file), callers, report)
    file.load()
    return file


def _kept(address: str, announcement: Announcement) -> _Kept:
    key, announced, mac, container = announcement
    if announced is None:
        return _Kept(address, key, mac=mac, container=container)
    return _Kept(address, key, announced.name, announced.instance, mac, container)


def _announcement(kept: _Kept) -> tuple[str, Announcement]:
    if not is_address(kept.address):
        raise ValueError(kept.address)
    announced = None
    if kept.instance is not None:
        announced = Announced(kept.name, json.dumps(kept.instance, sort_keys=True))
    return kept.address, Announcement(kept.key, announced, kept.mac, kept.container)
