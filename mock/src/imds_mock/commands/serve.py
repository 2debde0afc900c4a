"""Answer as an instance's metadata service, until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from imds_mock.serving import Companion
    from imds_mock.settings import Config
    from imds_mock.signing import Signer

_KEYS_AFTER_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--host",
        action="append",
        metavar="ADDRESS",
        help="IP address to listen on, may be repeated (default: all addresses of both families)",
    )
    parser.add_argument("--port", type=int, metavar="N", help="TCP port (default: 1338)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON file with settings")
    parser.add_argument("--access-log", choices=("text", "json", "off"), help="form of the access log (default: text)")
    parser.add_argument("--control", choices=("on", "off"), help="whether a control plane drives it (default: on)")
    parser.add_argument("--control-port", type=int, metavar="N", help="TCP port of the control plane (default: 1339)")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="play this scenario from the start on")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="any other setting by its key in the file, such as metadata_options.http_tokens=required; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve."""
    # As PID 1 a signal without a handler is ignored; the event loop's handlers come later.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    from imds_mock.assembly import Assembly  # noqa: PLC0415 - after the handlers: this takes most of the start
    from imds_mock.config import load  # noqa: PLC0415
    from imds_mock.config_sources import file_of  # noqa: PLC0415
    from imds_mock.control_start import open_listeners  # noqa: PLC0415
    from imds_mock.control_start import run as run_control  # noqa: PLC0415
    from imds_mock.driving import Driven  # noqa: PLC0415
    from imds_mock.file_changes import mark  # noqa: PLC0415
    from imds_mock.reloading import follow  # noqa: PLC0415
    from imds_mock.scenario_file import read_scenario_file  # noqa: PLC0415
    from imds_mock.serving import serve  # noqa: PLC0415
    from imds_mock.signing import Signer  # noqa: PLC0415

    overrides = _overrides(arguments)

    def read() -> Config:
        return load(overrides, os.environ, arguments.config)

    file = file_of(os.environ, arguments.config)
    seen = mark(file) if file else None
    config = read()
    key_directory = config.signing.key_directory
    assembly = Assembly(time.time(), Signer(None if key_directory is None else Path(key_directory)))
    driven = Driven(config, assembly.describe)
    if arguments.scenario is not None:
        driven.state.play(read_scenario_file(arguments.scenario))
    companions: list[Companion] = [
        lambda _store: _prepare(assembly.signer),
        lambda _store: follow(driven, read, file, seen),
        lambda _store: driven.keep_targets_known(),
    ]
    listeners = open_listeners(config, os.environ) if config.control.enabled else None
    if listeners is not None:
        companions.append(lambda _store: run_control(driven, config, listeners))
    try:
        serve(config, driven.state.snapshot_for(""), companions, driven)
    finally:
        if listeners is not None:
            listeners.close()
    return 0


def _overrides(arguments: argparse.Namespace) -> dict[str, object]:
    overrides: dict[str, object] = dict(arguments.set)
    given = {
        "server.hosts": tuple(arguments.host) if arguments.host else None,
        "server.port": arguments.port,
        "server.access_log": arguments.access_log,
        "control.enabled": None if arguments.control is None else arguments.control == "on",
        "control.port": arguments.control_port,
    }
    return overrides | {key: value for key, value in given.items() if value is not None}


async def _prepare(signer: Signer) -> None:
    import asyncio  # noqa: PLC0415 - loaded by now

    # Making keys takes the processor from whoever waits for the first answer.
    await asyncio.sleep(_KEYS_AFTER_SECONDS)
    await asyncio.to_thread(signer.prepare)


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError(text)
    return key, value
