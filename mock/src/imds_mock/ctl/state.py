"""`ctl` for the state: status, metadata by path, metadata options, configuration, reset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from imds_mock.ctl.client import ArgumentError
from imds_mock.ctl.metadata import metadata_path
from imds_mock.ctl.output import print_done, print_json
from imds_mock.ctl.tables import print_values
from imds_mock.standard_input import read_input

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from imds_mock.ctl.client import Client

_MERGE_PATCH: Final = "application/merge-patch+json"
_A_PATCH: Final = '{"instance": {"region": "eu-west-1"}}'


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    shared = list(common)
    status = commands.add_parser("status", parents=shared, help="show the state of the mock")
    status.set_defaults(action_of=_status)

    setting = commands.add_parser("set", parents=shared, help="set one leaf of the metadata by path")
    setting.add_argument(
        "path", help="such as meta-data/metrics/vhostmd; for a value derived from a setting, use config set"
    )
    setting.add_argument("value", help="text, or with --as-json any JSON value")
    setting.add_argument("--as-json", action="store_true", help="read the value as JSON")
    setting.set_defaults(action_of=_set)

    delete = commands.add_parser("delete", parents=shared, help="remove a leaf or category of the metadata")
    delete.add_argument("path", help="such as meta-data/public-keys")
    delete.set_defaults(action_of=_delete)

    options = commands.add_parser("options", parents=shared, help="show or change the metadata options")
    options.add_argument(
        "option",
        nargs="*",
        metavar="NAME=VALUE",
        help="such as http_tokens=required; null restores the default",
    )
    options.set_defaults(action_of=_options)

    _add_config(commands, shared)

    reset = commands.add_parser(
        "reset", parents=shared, help="restore the initial configuration, events, faults and journal, and real time"
    )
    reset.add_argument("--keep-journal", action="store_true", help="keep the journal and the notices seen")
    reset.set_defaults(action_of=_reset)


def _add_config(commands: argparse._SubParsersAction[Any], shared: list[argparse.ArgumentParser]) -> None:
    config = commands.add_parser("config", parents=shared, help="show or change the configuration").add_subparsers(
        metavar="ACTION", required=True
    )
    show = config.add_parser("show", parents=shared, help="show the whole configuration, or one setting")
    show.add_argument("setting", nargs="?", help="such as instance.region")
    show.set_defaults(action_of=_config_show)
    change = config.add_parser("set", parents=shared, help="set settings; derived values are updated to match")
    change.add_argument(
        "setting", nargs="+", metavar="KEY=VALUE", help="such as instance.region=eu-west-1; null: none, or derived"
    )
    change.add_argument("--as-json", action="store_true", help="read the values as JSON")
    change.set_defaults(action_of=_config_set)
    patch = config.add_parser(
        "patch", parents=shared, help="apply a JSON merge patch (RFC 7396); null restores a default"
    )
    patch.add_argument("patch", help="JSON; - reads it from standard input")
    patch.set_defaults(action_of=_config_patch)


def _status(client: Client, arguments: argparse.Namespace) -> int:
    print_values(arguments, client.call("GET", "/v1/status"))
    return 0


def _set(client: Client, arguments: argparse.Namespace) -> int:
    value = _json(arguments.value, "the value") if arguments.as_json else arguments.value
    print_done(arguments, client.call("PUT", metadata_path(arguments.path), {"value": value}))
    return 0


def _delete(client: Client, arguments: argparse.Namespace) -> int:
    client.call("DELETE", metadata_path(arguments.path))
    print_done(arguments)
    return 0


def _options(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.option:
        patch: dict[str, Any] = {}
        for option in arguments.option:
            name, separator, value = option.partition("=")
            if not separator:
                raise ArgumentError(f"{option!r}: expected NAME=VALUE, such as http_tokens=required")
            _require_new(name, patch)
            patch[name] = None if value == "null" else int(value) if value.isdecimal() else value
        options = client.call("PATCH", "/v1/metadata-options", patch, media=_MERGE_PATCH)
    else:
        options = client.call("GET", "/v1/metadata-options")
    print_values(arguments, options)
    return 0


def _config_show(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.setting:
        print_json(client.call("GET", f"/v1/config/{quote(arguments.setting.replace('.', '/'))}")["value"])
    else:
        print_json(client.call("GET", "/v1/config"))
    return 0


def _config_set(client: Client, arguments: argparse.Namespace) -> int:
    settings: dict[str, Any] = {}
    for setting in arguments.setting:
        key, separator, value = setting.partition("=")
        if not separator or not key:
            raise ArgumentError(f"{setting!r}: expected KEY=VALUE, such as instance.region=eu-west-1")
        _require_new(key, settings)
        settings[key] = _json(value, key) if arguments.as_json else None if value == "null" else value
    print_done(arguments, client.call("POST", "/v1/config", settings))
    return 0


def _config_patch(client: Client, arguments: argparse.Namespace) -> int:
    patch = _json(read_input() if arguments.patch == "-" else arguments.patch, "the patch")
    if not isinstance(patch, dict):
        from imds_mock.violations.words import shown  # noqa: PLC0415 - only a mistake needs it, and msgspec with it

        raise ArgumentError(f"the patch: expected a mapping such as {_A_PATCH}, got {shown(patch)}")
    print_done(arguments, client.call("PATCH", "/v1/config", patch, media=_MERGE_PATCH))
    return 0


def _reset(client: Client, arguments: argparse.Namespace) -> int:
    client.call("POST", "/v1/reset", query={"keep_journal": "true" if arguments.keep_journal else None})
    print_done(arguments)
    return 0


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _mapping(pairs, name))
    except (ValueError, RecursionError) as error:
        from imds_mock.violations.syntax import json_problem  # noqa: PLC0415 - as above

        raise ArgumentError(f"{name} is not JSON: {json_problem(text)}") from error


def _mapping(pairs: Sequence[tuple[str, Any]], name: str) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ArgumentError(f"{name} has a key twice in one mapping; write it once")
        mapping[key] = value
    return mapping


def _require_new(key: str, given: Mapping[str, Any]) -> None:
    if key in given:
        raise ArgumentError(f"{key} is given twice; give it once")
