"""`ctl` for callers: list them, and show how the mock sees one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.ctl.columns import Column, brief_time
from imds_mock.ctl.output import cell, print_done, print_json
from imds_mock.ctl.tables import add_table_options, print_table, print_values
from imds_mock.ctl.times import ago, reference

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from imds_mock.ctl.client import Client

_NAMES: Final = ("address", "names", "instance_id", "variants", "role", "announced", "first", "last", "requests")
_COLUMNS: Final = (
    Column("address"),
    Column("names", minimum=10, is_optional=True),
    Column("instance_id"),
    Column("variants", minimum=8, rank=2, is_optional=True),
    Column("role", minimum=8, rank=1, is_optional=True),
    Column("announced", minimum=12, rank=4, is_optional=True),
    Column("first", rank=3, brief=brief_time),
    Column("last", brief=brief_time),
    Column("requests"),
)

_REPLICA_NAMES: Final = (
    *("container", "service", "addresses", "instance_id", "availability_zone", "role", "local_ipv4", "variants"),
    "announced",
)
_REPLICAS: Final = (
    Column("container", minimum=10),
    Column("service", minimum=8, rank=4, is_optional=True),
    Column("addresses", minimum=14),
    Column("instance_id"),
    Column("availability_zone", "ZONE", rank=3),
    Column("role", minimum=8, rank=1, is_optional=True),
    Column("local_ipv4", rank=5),
    Column("variants", minimum=8, rank=2, is_optional=True),
    Column("announced", minimum=12, rank=6, is_optional=True),
)


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    callers = commands.add_parser("callers", parents=list(common), help="list the callers that have sent requests")
    add_table_options(callers)
    callers.set_defaults(action_of=_callers)

    whoami = commands.add_parser(
        "whoami", parents=list(common), help="show how the mock sees a caller, or each replica of a service"
    )
    whoami.add_argument("--caller", metavar="WHO", help="address, container or service name (default: this client)")
    add_table_options(whoami, has_times=False)
    whoami.set_defaults(action_of=_whoami)

    forget = commands.add_parser(
        "forget", parents=list(common), help="forget what containers have announced, so that they can announce anew"
    )
    forget.add_argument("--caller", metavar="WHO", help="address, container or service name (default: every caller)")
    forget.set_defaults(action_of=_forget)


def _forget(client: Client, arguments: argparse.Namespace) -> int:
    client.call("DELETE", "/v1/announcements", query={"caller": arguments.caller})
    print_done(arguments)
    return 0


def _callers(client: Client, arguments: argparse.Namespace) -> int:
    callers = client.call("GET", "/v1/callers")
    if arguments.json:
        print_json(callers)
        return 0
    callers = [_in_words(each) for each in callers]
    now = reference(client, arguments)
    if now is not None:
        callers = [{**each, **{name: ago(each[name], now.mock) for name in ("first", "last")}} for each in callers]
    print_table(arguments, _NAMES, callers, "no caller has sent a request", _COLUMNS)
    return 0


def _whoami(client: Client, arguments: argparse.Namespace) -> int:
    found = client.call("GET", "/v1/whoami", query={"caller": arguments.caller})
    if arguments.json:
        print_json(found)
    elif isinstance(found, list):
        print_table(arguments, _REPLICA_NAMES, [_in_words(each) for each in found], "", _REPLICAS)
    else:
        print_values(arguments, _in_words(found))
    return 0


def _in_words(caller: dict[str, Any]) -> dict[str, Any]:
    """A caller with its announcement as in `MOCK_INSTANCE`, after its name."""
    announced = caller.get("announced")
    if announced is None:
        return caller
    words = [announced["name"]] if announced["name"] else []
    words += [f"{key}={value}" for key, value in _flat(announced["instance"])]
    return {**caller, "announced": words}


def _flat(facts: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in facts.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", cell(value)
