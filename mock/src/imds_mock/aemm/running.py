"""One run of the `aemm` profile: settings read, said, saved, served, and read again when their file changes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from imds_mock.aemm.compatibility import Compatibility, Emulation
from imds_mock.aemm.reloading import Reloader
from imds_mock.aemm.settings import Settings, load, save
from imds_mock.file_changes import mark, watch
from imds_mock.serving import serve as run_server

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from imds_mock.aemm.arguments import Arguments
    from imds_mock.serving import Companion
    from imds_mock.settings import Config
    from imds_mock.store import Store


def serve(arguments: Arguments, environ: Mapping[str, str], base: Config, reason: str) -> None:
    """Serve until a signal says stop.

    Args:
        arguments: The command line.
        environ: The environment.
        base: The configuration under AEMM's settings.
        reason: Why the profile is on, for the start line.

    Raises:
        MockError: A setting cannot be, or an address cannot be listened on.
    """
    compatibility = Compatibility(time.time(), reason, base)

    def read() -> Emulation:
        return compatibility.build(load(arguments, environ))

    emulation = read()
    companions: list[Companion] = []
    settings = emulation.settings
    if settings.is_on("watch-config-file") and settings.config_file is not None:
        path, seen = settings.config_file, mark(settings.config_file)
        emulation = read()  # what was written between the first look and the mark would be missed otherwise

        def follow(store: Store) -> Coroutine[Any, Any, None]:
            reload = Reloader(emulation, read, lambda new: store.swap(new.snapshot()), _say)
            return watch(path, reload, seen)

        companions.append(follow)
    for warning in settings.warnings:
        _say(warning)
    if settings.is_on("watch-config-file") and not companions:
        _say("watch-config-file has no effect: there is no config file")
    if settings.is_on("save-config-to-file"):
        _save(settings, environ.get("HOME"))
    _say(f"Initiating ec2-metadata-mock for {settings.command.value} on port {emulation.config.server.port}")
    run_server(emulation.config, emulation.snapshot(), companions)


def _save(settings: Settings, home: str | None) -> None:
    try:
        path = save(settings, home)
    except OSError as error:
        _say(f"the settings in force could not be saved: {error.filename}: {error.strerror}")
    else:
        _say(f"the settings in force are saved to {path}")


def _say(sentence: str) -> None:
    sys.stderr.write(f"imds-mock: {sentence}\n")
