"""Redirect 169.254.169.254 to a mock on this machine itself, without containers; needs root, lasts until a restart."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imds_mock.host.redirect import Host
    from imds_mock.host.setting import Platform, Request

_TIMEOUT_SECONDS: Final = 1.0
_LARGEST_PORT: Final = 65535
# `imds_mock.host.setting.DEFAULT_PORT`, which the help does without.
_DEFAULT_PORT: Final = 1338
# `imds_mock.host.setting.ADDRESSES`, likewise.
_ENDPOINTS: Final = ("ec2", "ecs", "eks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    up = actions.add_parser("up", help="set the redirect", description="Set the redirect; run again, it changes it.")
    up.add_argument(
        "--way",
        choices=("dnat", "alias"),
        help="dnat: a rule for what this machine sends (default on Linux); alias: the address on loopback (macOS)",
    )
    up.add_argument("--port", type=_port, metavar="N", help=f"where the mock listens (default: {_DEFAULT_PORT})")
    up.add_argument(
        "--endpoints",
        type=_endpoints,
        default=_ENDPOINTS[:1],
        metavar="LIST",
        help="ec2 (169.254.169.254), ecs (169.254.170.2), eks (169.254.170.23), with commas (default: ec2)",
    )
    up.add_argument(
        "--ipv6", action="store_true", help="redirect [fd00:ec2::254]:80 too and, for eks, [fd00:ec2::23]:80"
    )
    up.add_argument("--force", action="store_true", help="redirect even if a real metadata service answers")
    down = actions.add_parser("down", help="remove what `up` has set")
    for action in (up, down):
        action.add_argument("--dry-run", action="store_true", help="print the commands as a shell script and run none")
    actions.add_parser("status", help="show what is set and what answers (exit code 0 if a mock does, else 1)")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from imds_mock.host.errors import NotRootError  # noqa: PLC0415 - help does without it

    host = this_machine()
    if arguments.action == "status":
        return 0 if host.status() else 1
    request = _request(arguments, host) if arguments.action == "up" else None
    if arguments.dry_run:
        sys.stdout.write(host.planned(request))
        return 0
    if os.geteuid() != 0:
        raise NotRootError(f"only root may change the network: sudo imds-mock host {arguments.action}")
    if request is None:
        host.down()
    else:
        host.up(request, force=arguments.force)
    return 0


def this_machine() -> Host:
    """The machine that the program runs on.

    Raises:
        MissingProgramError: It is neither Linux nor macOS.
    """
    from imds_mock.host import clouds  # noqa: PLC0415 - help does without it
    from imds_mock.host.errors import MissingProgramError  # noqa: PLC0415
    from imds_mock.host.linux import Linux  # noqa: PLC0415
    from imds_mock.host.macos import MacOS  # noqa: PLC0415
    from imds_mock.host.redirect import Host  # noqa: PLC0415
    from imds_mock.host.shell import SystemShell  # noqa: PLC0415
    from imds_mock.wire.health import probe  # noqa: PLC0415

    platforms: dict[str, Platform] = {"linux": Linux(), "darwin": MacOS()}
    platform = platforms.get(sys.platform)
    if platform is None:
        raise MissingProgramError(f"{sys.platform} is neither Linux nor macOS: run the mock in a container there")
    return Host(platform, SystemShell(), lambda url: probe(url, _TIMEOUT_SECONDS), clouds.evidence)


def _request(arguments: argparse.Namespace, host: Host) -> Request:
    from imds_mock.host.setting import HTTP, Request  # noqa: PLC0415 - help does without it

    way = arguments.way or host.platform.ways[0]
    # Only the best way of a system leads to another port.
    default = _DEFAULT_PORT if way == host.platform.ways[0] else HTTP
    port = default if arguments.port is None else arguments.port
    return Request(way, port, arguments.ipv6, arguments.endpoints)


def _endpoints(text: str) -> tuple[str, ...]:
    named = {word.strip() for word in text.split(",")}
    for word in sorted(named.difference(_ENDPOINTS)):
        raise argparse.ArgumentTypeError(
            f"{word!r} is not an endpoint; expected {', '.join(_ENDPOINTS[:-1])} or {_ENDPOINTS[-1]}, with commas"
        )
    return tuple(endpoint for endpoint in _ENDPOINTS if endpoint in named)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no TCP port from 1 to {_LARGEST_PORT}")
    return int(text)
