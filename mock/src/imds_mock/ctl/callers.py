"""`ctl` for callers: list them, and show how the mock sees one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.output import print_json, print_table, print_values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imds_mock.ctl.client import Client

_COLUMNS: Final = ("address", "names", "instance_id", "variants", "role", "first", "last", "requests")

_REPLICAS: Final = (
    *("container", "service", "addresses", "instance_id", "availability_zone", "role", "local_ipv4", "variants"),
)


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    callers = commands.add_parser("callers", parents=list(common), help="list the callers that have sent requests")
    callers.set_defaults(action_of=_callers)

    whoami = commands.add_parser(
        "whoami", parents=list(common), help="show how the mock sees a caller, or each replica of a service"
    )
    whoami.add_argument("--caller", metavar="WHO", help="address, container or service name (default: this client)")
    whoami.set_defaults(action_of=_whoami)


def _callers(client: Client, arguments: argparse.Namespace) -> int:
    callers = client.call("GET", "/v1/callers")
    if arguments.json:
        print_json(callers)
    else:
        print_table(_COLUMNS, callers, "no caller has sent a request")
    return 0


def _whoami(client: Client, arguments: argparse.Namespace) -> int:
    found = client.call("GET", "/v1/whoami", query={"caller": arguments.caller})
    if isinstance(found, list) and not arguments.json:
        print_table(_REPLICAS, found, "")
    else:
        print_values(arguments, found)
    return 0
