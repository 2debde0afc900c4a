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
    from imds_mock.serving import serve  # noqa: PLC0415
    from imds_mock.signing import Signer  # noqa: PLC0415

    overrides: dict[str, object] = dict(arguments.set)
    if arguments.host:
        overrides["server.hosts"] = tuple(arguments.host)
    if arguments.port is not None:
        overrides["server.port"] = arguments.port
    if arguments.access_log is not None:
        overrides["server.access_log"] = arguments.access_log
    config = load(overrides, os.environ, arguments.config)
    key_directory = config.signing.key_directory
    assembly = Assembly(time.time(), Signer(None if key_directory is None else Path(key_directory)))
    serve(config, assembly.snapshot(config), [lambda _store: _prepare(assembly.signer)])
    return 0


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
