"""Parses AEMM's command line with the rules of pflag; flags may precede or follow the subcommand.

`--port 80`, `--port=80`, `-p 80`, `-p=80` and `-p80` are equivalent. Switches take no value, `=true` or `=false` and
may share a dash (`-Is`). `--` ends the flags. The meaning of a letter (`-t`, `-a`) depends on the subcommand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import field

from imds_mock.aemm import hints, values
from imds_mock.aemm.keys import COMMANDS, FLAG_KEYS, Command, Key, UsageError
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imds_mock.aemm.values import Value

HELP: Final = Key("help", values.switch, False, "help", "h", help="show this help")
VERSION: Final = Key("version", values.switch, False, "version", "v", help="show the version")
PROGRAM_WORDS: Final = ("help", "completion")
"""Words in the place of a subcommand that do not start a mock."""


class Arguments(Record, frozen=True):
    """A parsed command line.

    Attributes:
        command: The events to mock.
        values: The values of the given flags, by key.
        flags: The given flags as written, by key; for messages.
        extra: Words without an effect.
        action: `help`, `version` or `completion` if the program only prints that; empty otherwise.
    """

    command: Command
    values: Mapping[str, Value] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    action: str = ""


class _Flag(NamedTuple):
    """A flag as written, with its value; None for a switch or a missing value."""

    name: str
    value: str | None


def parse(argv: Sequence[str]) -> Arguments:
    """Parse a command line.

    Args:
        argv: The words after the program's name.

    Raises:
        UsageError: A flag or subcommand is unknown, or a value is missing or invalid.
    """
    words, flag_words = _split(argv)
    for written, _value in flag_words:
        # Checked first, because the word after an unknown flag may be its value or a subcommand.
        if written not in FLAGS:
            _key(written, Command.ALL)
    action = ""
    if words and words[0] in PROGRAM_WORDS:
        action, *words = words
    command = Command.ALL
    if words and action != "completion":
        command = _command(words.pop(0))
    given: dict[str, Value] = {}
    flags: dict[str, str] = {}
    for written, value in flag_words:
        key = _key(written, command)
        flags[key.name] = written
        try:
            given[key.name] = _read(key, value)
        except ValueError as error:
            raise UsageError(f"flag {written}: {error}") from error
    for key in (HELP, VERSION):
        if given.pop(key.name, False):
            action = action or key.name
    return Arguments(command, given, flags, tuple(words), action)


def is_aemm_argument(word: str) -> bool:
    """Whether a command line starts with an argument of AEMM: a command of any release, or a flag."""
    return word in COMMANDS or word in hints.RENAMED_COMMANDS or word.startswith("-")


def positional(argv: Sequence[str]) -> list[str]:
    """The words that are neither flags nor values of flags."""
    return _split(argv)[0]


def flags_of(command: Command) -> tuple[Key, ...]:
    """The flags of one subcommand; for ALL, the flags that all subcommands have."""
    return tuple(key for key in FLAG_KEYS if key.command is command)


def _command(word: str) -> Command:
    command = COMMANDS.get(word)
    if command is None:
        near = hints.suggestion(word, COMMANDS)
        hint = f"did you mean {near}?" if near else f"the commands are {', '.join(COMMANDS)}"
        raise UsageError(f"unknown command {word!r}; {hint}")
    return command


def _split(argv: Sequence[str]) -> tuple[list[str], list[_Flag]]:
    """Separate words from flags. The name of a flag decides whether it takes a value, whatever the subcommand."""
    words: list[str] = []
    flags: list[_Flag] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            flags.append(_complete(name, value if equals else None, rest))
        elif word.startswith("-") and word != "-":
            _split_letters(word, rest, flags)
        else:
            words.append(word)
    return words, flags


def _split_letters(word: str, rest: list[str], flags: list[_Flag]) -> None:
    letters = word[1:]
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        if letters.startswith("="):
            flags.append(_Flag(name, letters[1:]))
            return
        if name not in _SWITCHES:
            flags.append(_complete(name, letters or None, rest))
            return
        flags.append(_Flag(name, None))


def _complete(name: str, value: str | None, rest: list[str]) -> _Flag:
    if value is None and name not in _SWITCHES and rest:
        value = rest.pop(0)
    return _Flag(name, value)


def _key(written: str, command: Command) -> Key:
    known = {name: key for key in _ALL if key.command in {Command.ALL, command} for name in key.flag_names}
    key = known.get(written)
    if key is None:
        elsewhere = sorted(
            {word for word, other in COMMANDS.items() for key in flags_of(other) if written in key.flag_names}
            & {"spot", "events"}
        )
        near = hints.suggestion(written, FLAGS)
        hint = f"; it belongs to {' and '.join(elsewhere)}" if elsewhere else ""
        hint = hint or (f"; did you mean {near}?" if near else "")
        name = written if written.isprintable() else repr(written)
        raise UsageError(f"unknown flag {name}{hint} (see --help)")
    return key


def _read(key: Key, value: str | None) -> Value:
    if value is None:
        if not key.value_name:
            return True
        raise ValueError(f"expected a value ({key.value_name})")
    if not value and key.read in {values.integer, values.switch}:
        raise ValueError("expected a value, got nothing")
    return key.read(value)


_ALL: Final = (*FLAG_KEYS, HELP, VERSION)
FLAGS: Final = frozenset(name for key in _ALL for name in key.flag_names)
"""All flags with dashes."""

_SWITCHES: Final = frozenset(name for key in _ALL if not key.value_name for name in key.flag_names)
