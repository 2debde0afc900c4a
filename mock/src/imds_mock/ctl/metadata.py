"""`ctl get`: metadata as callers see it, the whole tree or one path."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from imds_mock.ctl.columns import Column
from imds_mock.ctl.output import print_json, print_line, printable, printable_lines
from imds_mock.ctl.tables import add_table_options, print_table
from imds_mock.ctl.terminal import console_of, look_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.tree import Tree

    from imds_mock.ctl.client import Client

_COLUMNS: Final = (Column("path"), Column("value"))

_MOST_LINES: Final = 12
_FIRST_LINES: Final = 3


def add_commands(commands: argparse._SubParsersAction[Any], common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    get = commands.add_parser("get", parents=list(common), help="show metadata as callers see it")
    get.add_argument("path", nargs="?", help="such as meta-data/placement/region (default: the whole tree)")
    get.add_argument("--caller", metavar="WHO", help="show what this address, container or service sees")
    add_table_options(get, has_times=False)
    get.set_defaults(action_of=_get)


def _get(client: Client, arguments: argparse.Namespace) -> int:
    query = {"caller": arguments.caller}
    if arguments.path is None or not arguments.path.strip("/"):
        found = client.call("GET", "/v1/metadata", query=query)
        if arguments.json:
            print_json(found)
        else:
            _print_tree(arguments, {path: leaf.get("value", leaf.get("base64", "")) for path, leaf in found.items()})
        return 0
    found = client.call("GET", metadata_path(arguments.path), query=query)
    if arguments.json:
        print_json(found)
    elif "children" in found:
        for name in found["children"]:
            print_line(name)
    else:
        value = found["leaf"].get("value", found["leaf"].get("base64", ""))
        # As clients receive it, so that it can be compared and piped; only a terminal would obey control characters.
        sys.stdout.write(f"{printable_lines(value) if sys.stdout.isatty() else value}\n")
    return 0


def metadata_path(path: str) -> str:
    """The path of a leaf or category in the API."""
    return f"/v1/metadata/{quote(path.strip('/'))}"


def _print_tree(arguments: argparse.Namespace, leaves: Mapping[str, str]) -> None:
    """Print the tree: indented on a terminal, otherwise a line for each leaf, with line feeds escaped."""
    look = look_of(arguments)
    if not look.is_terminal:
        rows = [{"path": path, "value": value} for path, value in leaves.items()]
        print_table(arguments, ("path", "value"), rows, "nothing", _COLUMNS)
        return
    from rich.text import Text  # noqa: PLC0415 - slow to import, and only a terminal needs it
    from rich.tree import Tree  # noqa: PLC0415

    root = Tree(Text("/"), guide_style="dim", hide_root=True)
    branches: dict[str, Tree] = {"": root}
    for path, value in leaves.items():
        category, _slash, name = path.rpartition("/")
        lines = printable_lines(value).removesuffix("\n").split("\n")
        rest = len(lines) - _FIRST_LINES if len(lines) > _MOST_LINES and not arguments.wide else 0
        leaf = Text(printable(name), style="bold")
        if len(lines) == 1:
            leaf.append(f"  {lines[0]}", style="not bold")
        else:
            leaf.no_wrap, leaf.overflow = not arguments.wide, "ellipsis"
            leaf.append("".join(f"\n  {line}" for line in lines[: len(lines) - rest]), style="not bold")
        if rest:
            leaf.append(f"\n  {rest} more lines; --wide shows them", style="dim not bold")
        _branch(branches, category).add(leaf)
    console_of(look).print(root)


def _branch(branches: dict[str, Tree], category: str) -> Tree:
    """The branch of a category, made if it is new."""
    from rich.text import Text  # noqa: PLC0415 - as above

    if category not in branches:
        above, _slash, name = category.rpartition("/")
        branches[category] = _branch(branches, above).add(Text(f"{printable(name)}/", style="cyan"))
    return branches[category]
