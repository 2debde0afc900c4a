"""One run of the drop-in: settings read, said, saved, and read again when their file changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imds_mock.aemm.adoption import adopt
from imds_mock.aemm.arguments import Arguments
from imds_mock.aemm.keys import Command
from imds_mock.aemm.own_settings import changes, without_effect
from imds_mock.aemm.settings import Settings, load, save
from imds_mock.log import say
from imds_mock.run.file_changes import mark
from imds_mock.run.start import start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imds_mock.config.settings import Config
    from imds_mock.events.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the drop-in is made from.

    Attributes:
        environ: The environment.
        base: Reads the configuration under AEMM's settings.
        reason: Why the drop-in runs.
        arguments: AEMM's command line; None when `imds-mock serve` was started, whose listener counts then.
        file: The file of the configuration under AEMM's settings, if there is one.
        scenario: Is played from the start on.
        notice: What to say once the settings are read; empty for nothing.
    """

    environ: Mapping[str, str]
    base: Callable[[], Config]
    reason: str
    arguments: Arguments | None = None
    file: Path | None = None
    scenario: Scenario | None = None
    notice: str = ""


def serve(run: Run) -> None:
    """Serve until a signal says stop.

    Args:
        run: What to serve.

    Raises:
        MockError: A setting cannot be, or an address not be listened on.
    """
    reading = Reading(run)
    file = reading.watched_file or run.file
    watched = (file, mark(file)) if file else None
    config = reading()
    reading.begin()
    if run.notice:
        say(run.notice)
    say(f"Initiating ec2-metadata-mock for {reading.settings.command.value} on port {config.server.port}")
    start(config, reading, watched, run.scenario, run.reason)


class Reading:
    """AEMM's settings, read from all their sources as often as asked; says what has no effect, once.

    Args:
        run: The run that it is for.

    Attributes:
        settings: As read last.
    """

    def __init__(self, run: Run) -> None:
        self._arguments = run.arguments or Arguments(Command.ALL)
        self._environ = run.environ
        self._base = run.base
        self._warned: frozenset[str] = frozenset()
        self.settings: Settings = load(self._arguments, self._environ)

    def __call__(self) -> Config:
        """Read everything.

        Raises:
            MockError: A setting cannot be.
        """
        base = self._base()
        settings = load(self._arguments, self._environ, base.aemm, changes(base, 0.0).values)
        config = adopt(settings, base)
        sections = (f"the section {name} has no effect with compatibility aemm" for name in without_effect(base))
        warnings = (*settings.warnings, *sections)
        for warning in warnings:
            if warning not in self._warned:
                say(warning)
        self._warned = frozenset(warnings)
        self.settings = settings
        return config

    @property
    def watched_file(self) -> Path | None:
        """The config file, if its changes are to be taken over."""
        return self.settings.config_file if self.settings.is_on("watch-config-file") else None

    def begin(self) -> None:
        """Do what is to be done once, at the start."""
        settings = self.settings
        if settings.is_on("watch-config-file") and settings.config_file is None:
            say("watch-config-file has no effect: there is no config file")
        if settings.is_on("save-config-to-file"):
            _save(settings, self._environ.get("HOME"))


def _save(settings: Settings, home: str | None) -> None:
    try:
        path = save(settings, home)
    except OSError as error:
        say(f"cannot save the settings in force to {error.filename}: {error.strerror}")
    else:
        say(f"saved the settings in force to {path}")
