"""`ctl` for the kinds of events and faults: one command for each, made from the fields of its structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.arguments import number
from imds_mock.ctl.output import print_json, print_line, print_warning
from imds_mock.events.kinds import COMMAND_GROUPS, EVENTS
from imds_mock.faults.kinds import FAULTS
from imds_mock.scheduling.options import in_a_sentence, options_of
from imds_mock.violations.words import tag_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from imds_mock.ctl.client import Client
    from imds_mock.scheduling.options import Option
    from imds_mock.scheduling.schedule import Scheduled

    Commands = argparse._SubParsersAction[Any]  # noqa: SLF001 - argparse has no public name for it

_TYPES: Final[dict[type, Callable[[str], Any]]] = {int: int, float: number, str: str}


def command_of(kind: type[Scheduled]) -> tuple[str, ...]:
    """The words of a kind's command after `imds-mock ctl`, such as `("spot", "interrupt")`."""
    tag = str(tag_of(kind))
    if kind.command is not None:
        return tuple(kind.command.split())
    return ("fault", "add", tag) if kind in FAULTS else (tag,)


def summary_of(kind: type[Scheduled]) -> str:
    """What a kind's command does, as a list of commands says it."""
    return in_a_sentence(str(kind.__doc__).partition("\n")[0])


def add_event_commands(commands: Commands, common: Sequence[argparse.ArgumentParser]) -> dict[str, Commands]:
    """Declare a command for each kind of event.

    Returns:
        The groups among them, such as `credentials`, by name.
    """
    groups: dict[str, Commands] = {}
    for kind in EVENTS:
        *group, name = command_of(kind)
        place = commands
        for word in group:
            if word not in groups:
                text = COMMAND_GROUPS.get(word) or summary_of(kind)
                parser = commands.add_parser(word, parents=list(common), help=text)
                groups[word] = parser.add_subparsers(metavar="ACTION", required=True)
            place = groups[word]
        _add_command(place, name, kind, common, "event")
    return groups


def add_fault_commands(commands: Commands, common: Sequence[argparse.ArgumentParser]) -> None:
    """Declare a command for each kind of fault."""
    for kind in FAULTS:
        _add_command(commands, command_of(kind)[-1], kind, common, "fault")


def add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    """Declare the option of a field; its value is stored under the field's name."""
    text = option.help.replace("%", "%%")
    if option.constant is not None:
        flag = str(option.flag)
        parser.add_argument(flag, dest=option.field, action="store_const", const=option.constant, help=text)
        return
    settings: dict[str, Any] = {"type": _TYPES[option.type], "help": text, "metavar": option.metavar}
    if option.choices:
        settings["choices"] = option.choices
    if option.flag is not None:
        parser.add_argument(option.flag, dest=option.field, required=option.is_required, **settings)
    else:
        parser.add_argument(option.field, nargs=None if option.is_required else "?", **settings)


def given_fields(options: Sequence[Option], arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields that were given on the command line."""
    given = {option.field: getattr(arguments, option.field) for option in options}
    return {field: value for field, value in given.items() if value is not None}


def print_armed(armed: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print an event or fault that was armed, and warn if it has no effect now."""
    print_warnings([armed])
    if arguments.json:
        print_json(armed)
        return
    path = f"{armed['fault'].get('path', '*')} " if "fault" in armed else ""
    until = f" until {armed['ends']}" if armed["ends"] else ""
    print_line(f"{armed['id']} {armed['state']}: {path}from {armed['starts']}{until} for {callers_of(armed)}")


def callers_of(armed: dict[str, Any]) -> str:
    """The target of an event or fault in words, with the number of callers that it matches now."""
    if not armed["target"]:
        return "every caller"
    addresses = ", ".join(armed["addresses"])
    matches = "1 caller now" if armed["callers"] == 1 else f"{armed['callers']} callers now"
    return f"{armed['target']} ({f'{addresses}; ' if addresses else ''}{matches})"


def print_warnings(armed: Sequence[dict[str, Any]]) -> None:
    """Warn about events and faults that have ended already, and about targets that match no caller or may miss some."""
    for each in armed:
        if each["state"] == "ended":
            print_warning(f"{each['id']} ended at {each['ends']}, so it has no effect; give a later start or end")
    for sentence in dict.fromkeys(each["warning"] for each in armed):
        print_warning(sentence)


def _add_command(
    commands: Commands, name: str, kind: type[Scheduled], common: Sequence[argparse.ArgumentParser], what: str
) -> None:
    def declare(parser: argparse.ArgumentParser) -> None:
        for option in options_of(kind):
            add_option(parser, option)

    def arm(client: Client, arguments: argparse.Namespace) -> int:
        body = {"kind": tag_of(kind), **given_fields(options_of(kind), arguments)}
        print_armed(client.call("POST", f"/v1/{what}s", body), arguments)
        return 0

    parser = commands.add_parser(name, parents=list(common), help=summary_of(kind), declare=declare)
    parser.set_defaults(action_of=arm)
