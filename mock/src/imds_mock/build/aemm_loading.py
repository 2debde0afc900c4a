"""The configuration with amazon-ec2-metadata-mock's own settings on top, read as often as needed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from imds_mock.aemm import files
from imds_mock.aemm.arguments import Arguments
from imds_mock.aemm.configuration import apply_settings
from imds_mock.aemm.keys import Command
from imds_mock.aemm.native_settings import find_changes, unused_sections
from imds_mock.aemm.settings import Settings, load
from imds_mock.build.leaves import derived_leaves
from imds_mock.log import say
from imds_mock.signing.signer import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imds_mock.config.settings import Config


class AemmReader:
    """Reads AEMM's settings from all their sources; logs each setting that has no effect once.

    Args:
        base: Reads the configuration below AEMM's settings.
        environ: Environment variables.
        arguments: AEMM's command line; None for `imds-mock serve`, whose own options apply.

    Attributes:
        settings: AEMM's settings as last read.
    """

    def __init__(
        self, base: Callable[[], Config], environ: Mapping[str, str], arguments: Arguments | None = None
    ) -> None:
        self._base = base
        self._environ = environ
        self._arguments = arguments or Arguments(Command.ALL)
        self._logged: frozenset[str] = frozenset()
        self.settings: Settings = load(self._arguments, self._environ)

    def __call__(self) -> Config:
        """Read all sources.

        Raises:
            MockError: A setting is invalid.
        """
        base = self._base()
        own = find_changes(base, 0.0, partial(derived_leaves, signer=Signer()))
        settings = load(self._arguments, self._environ, base.aemm, own.values)
        config = apply_settings(settings, base)
        sections = (f"the section {name} has no effect with compatibility aemm" for name in unused_sections(base))
        warnings = (*settings.warnings, *sections)
        for warning in warnings:
            if warning not in self._logged:
                say(warning)
        self._logged = frozenset(warnings)
        self.settings = settings
        return config

    @property
    def watched_file(self) -> Path | None:
        """AEMM's config file, if its changes take effect while the mock runs."""
        return self.settings.config_file if self.settings.is_on("watch-config-file") else None

    def save(self) -> None:
        """Write the settings to a file if `save-config-to-file` is on, and log where."""
        if self.settings.is_on("watch-config-file") and self.settings.config_file is None:
            say("watch-config-file has no effect: there is no config file")
        if not self.settings.is_on("save-config-to-file"):
            return
        try:
            path = files.save(self.settings.values, self._environ.get("HOME"))
        except OSError as error:
            say(f"cannot save the settings in force to {error.filename}: {error.strerror}")
        else:
            say(f"saved the settings in force to {path}")
