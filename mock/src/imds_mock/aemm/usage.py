"""Help, version and shell completion of `ec2-metadata-mock`, generated from the settings."""

from __future__ import annotations

import textwrap
from importlib.metadata import version
from typing import Final

from imds_mock.aemm.arguments import HELP, VERSION, flags_of
from imds_mock.aemm.keys import COMMANDS, Command, Key, UsageError

PROGRAM: Final = "ec2-metadata-mock"
EMULATED_VERSION: Final = "v1.13.0"

_COMMANDS: Final = {
    Command.SPOT: "only the spot interruption notice and the rebalance recommendation, besides the static metadata",
    Command.EVENTS: "only the scheduled maintenance event, besides the static metadata",
    Command.ASG_LIFECYCLE: "only the Auto Scaling target lifecycle state, besides the static metadata",
}
_TOP: Final = f"""\
Usage: {PROGRAM} [COMMAND] [FLAG...]

Serve EC2 instance metadata with the data and events of amazon-ec2-metadata-mock {EMULATED_VERSION}.
Without a command, it serves all events.
"""
_MORE: Final = """
A flag overrides its variable, and a variable overrides its key in the config file (names in brackets).
Paths and values of the metadata have no flags: the key metadata.values.instance-id has the variable
AEMM_METADATA_VALUES_INSTANCE_ID. docs/migrating-from-amazon-ec2-metadata-mock.md lists all of them.
"""
_COMPLETIONS: Final = {
    "bash": 'complete -W "{words}" {program}\n',
    "zsh": "#compdef {program}\ncompdef '_arguments \"*: :({words})\"' {program}\n",
    "fish": 'complete -c {program} -f -a "{words}"\n',
    "powershell": (
        "Register-ArgumentCompleter -Native -CommandName {program} -ScriptBlock {{\n"
        "  param($word) -split '{words}' | Where-Object {{ $_ -like \"$word*\" }}\n}}\n"
    ),
}


def help_text(command: Command) -> str:
    """The help text of a subcommand; for ALL, of the program."""
    if command is Command.ALL:
        lines = [_TOP, "Commands:"]
        for each, description in _COMMANDS.items():
            lines.append(f"  {', '.join(each.words)}\n        {description}")
        lines.append(f"  completion SHELL\n        print the completion script for {', '.join(_COMPLETIONS)}")
        lines.append("  help COMMAND\n        show the help of a command")
        shown = [Command.ALL, *_COMMANDS]
    else:
        lines = [f"Usage: {PROGRAM} {command.words[0]} [FLAG...]\n", f"Serve {_COMMANDS[command]}."]
        lines.append(f"Aliases: {', '.join(command.words)}")
        shown = [command, Command.ALL]
    for each in shown:
        if flags := flags_of(each):
            title = "Flags:" if each is Command.ALL else f"Flags of {each.words[0]}:"
            lines += ["", title, *map(_flag, flags)]
            lines += [_flag(HELP), _flag(VERSION)] if each is Command.ALL else []
    return "".join(map(_wrapped, ("\n".join(lines) + "\n" + _MORE).splitlines()))


def version_text() -> str:
    """The version of AEMM that is replaced, and that of imds-mock."""
    return f"{EMULATED_VERSION} (imds-mock {version('imds-mock')})\n"


def completion_text(shells: tuple[str, ...]) -> str:
    """The completion script for a shell.

    Args:
        shells: The words after `completion`; must be one shell.

    Raises:
        UsageError: The shell is missing or unknown.
    """
    if len(shells) != 1 or shells[0] not in _COMPLETIONS:
        raise UsageError(f"completion: expected one of {', '.join(_COMPLETIONS)}, got {' '.join(shells) or 'nothing'}")
    flags = [f"--{key.flag}" for command in Command for key in flags_of(command)]
    words = " ".join([*COMMANDS, "completion", "help", *flags, "--help", "--version"])
    return _COMPLETIONS[shells[0]].format(words=words, program=PROGRAM)


def _wrapped(line: str) -> str:
    """A line of the help, on several lines if it is wider than 80 columns."""
    indent = " " * 8 if line.startswith(" ") else ""
    parts = textwrap.wrap(line, 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "".join(f"{part}\n" for part in parts or [""])


def _flag(key: Key) -> str:
    letter = f"-{key.short}, " if key.short else "    "
    value = f" {key.value_name}" if key.value_name else ""
    default = f"; default {key.default}" if key.default not in ("", False) and key.value_name else ""
    places = f"  [{key.variable}, {key.name}]" if key not in (HELP, VERSION) else ""
    return f"  {letter}--{key.flag}{value}{places}\n        {key.help}{default}"
