"""Redirect 169.254.169.254 to a mock on this machine, without containers. Requires root; lasts until a reboot."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imds_mock.host.redirect import Host
    from imds_mock.host.setting import Platform, Redirect

_TIMEOUT_SECONDS: Final = 1.0
_LARGEST_PORT: Final = 65535
# Copies of `imds_mock.host.setting.DEFAULT_PORT` and `ADDRESSES`, which the help does not import.
_DEFAULT_PORT: Final = 1338
_ENDPOINTS: Final = ("ec2", "ecs", "eks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    up = actions.add_parser("up", help="set the redirect", description="Set or change the redirect.")
    up.add_argument(
        "--way",
        choices=("dnat", "alias"),
        help="dnat: rewrite this machine's own packets (default on Linux); alias: add the address to loopback (macOS)",
    )
    up.add_argument("--port", type=_port, metavar="N", help=f"the mock's port (default: {_DEFAULT_PORT})")
    up.add_argument(
        "--endpoints",
        type=_endpoints,
        default=_ENDPOINTS[:1],
        metavar="LIST",
        help="ec2 (169.254.169.254), ecs (169.254.170.2), eks (169.254.170.23), separated by commas (default: ec2)",
    )
    up.add_argument(
        "--ipv6", action="store_true", help="also redirect [fd00:ec2::254]:80 and, for eks, [fd00:ec2::23]:80"
    )
    up.add_argument("--force", action="store_true", help="redirect even if a real metadata service answers")
    down = actions.add_parser("down", help="remove the redirect")
    for action in (up, down):
        action.add_argument("--dry-run", action="store_true", help="print the commands as a shell script; run none")
    actions.add_parser("status", help="show the redirect and which server answers (exit code 0: a mock, else 1)")


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""
    from imds_mock.host.errors import NotRootError  # noqa: PLC0415 - not needed for help

    host = this_machine()
    if arguments.action == "status":
        return 0 if host.status() else 1
    redirect = _redirect(arguments, host) if arguments.action == "up" else None
    if arguments.dry_run:
        sys.stdout.write(host.script(redirect))
        return 0
    if os.geteuid() != 0:
        raise NotRootError(f"only root may change the network; run sudo imds-mock host {arguments.action}")
    if redirect is None:
        host.down()
    else:
        host.up(redirect, force=arguments.force)
    return 0


def this_machine() -> Host:
    """The machine that the program runs on.

    Raises:
        MissingProgramError: The system is neither Linux nor macOS.
    """
    from imds_mock.host import clouds  # noqa: PLC0415 - not needed for help
    from imds_mock.host.errors import MissingProgramError  # noqa: PLC0415
    from imds_mock.host.linux import Linux  # noqa: PLC0415
    from imds_mock.host.macos import MacOS  # noqa: PLC0415
    from imds_mock.host.redirect import Host  # noqa: PLC0415
    from imds_mock.host.shell import SystemShell  # noqa: PLC0415
    from imds_mock.wire.health import probe  # noqa: PLC0415

    platforms: dict[str, Platform] = {"linux": Linux(), "darwin": MacOS()}
    platform = platforms.get(sys.platform)
    if platform is None:
        raise MissingProgramError(f"{sys.platform} is neither Linux nor macOS; run the mock in a container")
    return Host(platform, SystemShell(), lambda url: probe(url, _TIMEOUT_SECONDS), clouds.detect_cloud)


def _redirect(arguments: argparse.Namespace, host: Host) -> Redirect:
    from imds_mock.host.setting import HTTP, Redirect  # noqa: PLC0415 - not needed for help

    method = arguments.way or host.platform.methods[0]
    # Only the default method of a system can change the port.
    default = _DEFAULT_PORT if method == host.platform.methods[0] else HTTP
    port = default if arguments.port is None else arguments.port
    return Redirect(method, port, arguments.ipv6, arguments.endpoints)


def _endpoints(text: str) -> tuple[str, ...]:
    named = {word.strip() for word in text.split(",")}
    for word in sorted(named.difference(_ENDPOINTS)):
        raise argparse.ArgumentTypeError(
            f"unknown endpoint {word!r}; expected {', '.join(_ENDPOINTS[:-1])} or {_ENDPOINTS[-1]}, separated by commas"
        )
    return tuple(endpoint for endpoint in _ENDPOINTS if endpoint in named)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"expected a TCP port from 1 to {_LARGEST_PORT}, got {text!r}")
    return int(text)
