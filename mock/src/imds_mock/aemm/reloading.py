"""`--watch-config-file`: when the file changes, all settings are read anew and swapped in whole, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.errors import MockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.aemm.compatibility import Emulation

_FIXED: Final = ("server.hostname", "server.port", "config-file", "save-config-to-file", "watch-config-file")


class Reloader:
    """Reads the settings anew and puts them in force.

    Args:
        current: What is in force.
        read: Reads all settings and turns them into what the server is made from.
        swap: Puts that in force.
        log: Takes a sentence for the log.
    """

    def __init__(
        self,
        current: Emulation,
        read: Callable[[], Emulation],
        swap: Callable[[Emulation], None],
        log: Callable[[str], None],
    ) -> None:
        self._current = current
        self._read = read
        self._swap = swap
        self._log = log

    def __call__(self) -> None:
        """Reload; when that cannot be, everything stays as it was and the log says why."""
        try:
            new = self._read()
            self._swap(new)
        except (MockError, ValueError) as error:
            self._log(f"config file not taken over, the settings before it stay in force: {error}")
            return
        before, after = self._current.settings.values, new.settings.values
        self._current = new
        self._log(f"config file {new.settings.config_file} taken over")
        for warning in new.settings.warnings:
            self._log(warning)
        for name in _FIXED:
            if after[name] != before[name]:
                self._log(f"{name} takes effect at the next start")
