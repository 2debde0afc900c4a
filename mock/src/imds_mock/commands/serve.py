"""Serve the metadata of an EC2 instance until SIGTERM or SIGINT."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from imds_mock.commands import handle_early_signals
from imds_mock.commands.mock_options import add_mock_options, chosen_scenario, chosen_settings
from imds_mock.log import install

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--host",
        action="append",
        metavar="ADDRESS",
        help="IP address to listen on, may be repeated (default: all addresses of both families)",
    )
    parser.add_argument("--port", type=int, metavar="N", help="TCP port to listen on (default: 1338)")
    parser.add_argument(
        "--default-port",
        type=int,
        metavar="N",
        help="TCP port if no other source sets one (with amazon-ec2-metadata-mock's data: 1338)",
    )
    add_mock_options(parser)
    parser.add_argument(
        "--access-log", choices=("text", "json", "off"), help="format of the access log (default: text)"
    )
    parser.add_argument("--control", choices=("on", "off"), help="turn the control plane on or off (default: on)")
    parser.add_argument("--control-port", type=int, metavar="N", help="TCP port of the control plane (default: 1339)")
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="JSON file with ports, URLs and process id; exists while the mock answers",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve."""
    install()
    handle_early_signals()
    # A start makes little garbage, so `program` turns the collector on once the mock answers.
    gc.disable()
    try:
        _serve(arguments)
    finally:
        gc.enable()
    return 0


def _serve(arguments: argparse.Namespace) -> None:
    from imds_mock.commands import ec2_metadata_mock  # noqa: PLC0415 - after the handlers: imports take most of the start
    from imds_mock.config.sources import file_of  # noqa: PLC0415
    from imds_mock.run import program  # noqa: PLC0415
    from imds_mock.run.config_reader import ConfigReader  # noqa: PLC0415
    from imds_mock.run.reloading import ConfigSource  # noqa: PLC0415

    overrides = _overrides(arguments)
    defaults = {} if arguments.default_port is None else {"server": {"port": arguments.default_port}}
    read = ConfigReader(overrides, os.environ, arguments.config, defaults)
    file = file_of(os.environ, arguments.config)
    source = ConfigSource.watching(read, file)
    config = read()
    scenario = chosen_scenario(arguments)
    reason = ec2_metadata_mock.aemm_reason(config, os.environ)
    if not reason:
        program.run(config, source, os.environ, scenario, arguments.ready_file)
        return
    overrides["compatibility"] = "aemm"
    defaults.clear()
    from imds_mock.build.aemm_loading import AemmReader  # noqa: PLC0415 - the real service needs none of it

    ec2_metadata_mock.serve(
        AemmReader(read, os.environ), reason, os.environ, file, scenario, ready_path=arguments.ready_file
    )


def _overrides(arguments: argparse.Namespace) -> dict[str, object]:
    given = {
        "server.hosts": tuple(arguments.host) if arguments.host else None,
        "server.port": arguments.port,
        "server.access_log": arguments.access_log,
        "control.enabled": None if arguments.control is None else arguments.control == "on",
        "control.port": arguments.control_port,
    }
    return chosen_settings(arguments) | {key: value for key, value in given.items() if value is not None}
