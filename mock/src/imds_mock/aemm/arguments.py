"""AEMM's command line: flags as pflag reads them, before or after the subcommand.

`--port 80`, `--port=80`, `-p 80`, `-p=80` and `-p80` are the same; switches stand alone or take `=true` or
`=false`, may share one dash (`-Is`), and `--` ends the flags. A letter may mean another thing for each subcommand
(`-t`, `-a`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from imds_mock.aemm import hints, values
from imds_mock.aemm.errors import UsageError
from imds_mock.aemm.keys import COMMANDS, FLAG_KEYS, Command, Key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imds_mock.aemm.values import Value

HELP: Final = Key("help", values.switch, False, "help", "h", meaning="show this help")
VERSION: Final = Key("version", values.switch, False, "version", "v", meaning="show the version")
PROGRAM_WORDS: Final = ("help", "completion")
"""Words that stand where a subcommand may and start nothing."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a command line says.

    Attributes:
        command: What to mock.
        values: Key name to value, for the flags that were given.
        flags: Key name to the flag as it was written, for messages.
        extra: Words that mean nothing here.
        asks: `help`, `version` or `completion` when only that was asked for.
    """

    command: Command
    values: Mapping[str, Value] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    asks: str = ""


class _Written(NamedTuple):
    """A flag as it was written, with the value that stood with it (None: the next word, or a switch)."""

    name: str
    value: str | None


def parse(argv: Sequence[str]) -> Arguments:
    """Read a command line.

    Args:
        argv: The words after the program's name.

    Raises:
        UsageError: A flag or subcommand is unknown, lacks its value or has a wrong one.
    """
    words, flag_words = _split(argv)
    for written, _value in flag_words:
        # Said first: whether the word after it is its value or a subcommand, nobody can know.
        if written not in FLAGS:
            _key(written, Command.ALL)
    asks = ""
    if words and words[0] in PROGRAM_WORDS:
        asks, *words = words
    command = Command.ALL
    if words and asks != "completion":
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
            asks = asks or key.name
    return Arguments(command, given, flags, tuple(words), asks)


def is_ours(word: str) -> bool:
    """Whether a first word can only be meant for AEMM: a command of any of its releases, or a flag."""
    return word in COMMANDS or word in hints.FORMER_COMMANDS or word.startswith("-")


def positional(argv: Sequence[str]) -> list[str]:
    """The words that are neither flags nor their values."""
    return _split(argv)[0]


def flags_of(command: Command) -> tuple[Key, ...]:
    """The flags that a subcommand of its own adds to those for all."""
    return tuple(key for key in FLAG_KEYS if key.command is command)


def _command(word: str) -> Command:
    command = COMMANDS.get(word)
    if command is None:
        near = hints.for_word(word, COMMANDS)
        hint = f"did you mean {near}?" if near else f"the commands are {', '.join(COMMANDS)}"
        raise UsageError(f"unknown command {word!r}; {hint}")
    return command


def _split(argv: Sequence[str]) -> tuple[list[str], list[_Written]]:
    """Separate words from flags. Which flags take a value is known before the subcommand is: names decide."""
    words: list[str] = []
    flags: list[_Written] = []
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


def _split_letters(word: str, rest: list[str], flags: list[_Written]) -> None:
    letters = word[1:]
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        if letters.startswith("="):
            flags.append(_Written(name, letters[1:]))
            return
        if name not in _SWITCHES:
            flags.append(_complete(name, letters or None, rest))
            return
        flags.append(_Written(name, None))


def _complete(name: str, value: str | None, rest: list[str]) -> _Written:
    if value is None and name not in _SWITCHES and rest:
        value = rest.pop(0)
    return _Written(name, value)


def _key(written: str, command: Command) -> Key:
    known = {name: key for key in _ALL if key.command in {Command.ALL, command} for name in _names(key)}
    key = known.get(written)
    if key is None:
        elsewhere = sorted(
            {word for word, other in COMMANDS.items() for key in flags_of(other) if written in _names(key)}
            & {"spot", "events"}
        )
        near = hints.for_word(written, FLAGS)
        hint = f"; it belongs to {' and '.join(elsewhere)}" if elsewhere else ""
        hint = hint or (f"; did you mean {near}?" if near else "")
        shown = written if written.isprintable() else repr(written)
        raise UsageError(f"unknown flag {shown}{hint} (see --help)")
    return key


def _read(key: Key, value: str | None) -> Value:
    if value is None:
        if not key.value_name:
            return True
        raise ValueError(f"expected a value ({key.value_name})")
    if not value and key.read in {values.integer, values.switch}:
        raise ValueError("expected a value, got nothing")
    return key.read(value)


def _names(key: Key) -> tuple[str, ...]:
    return (f"--{key.flag}", f"-{key.short}") if key.short else (f"--{key.flag}",)


_ALL: Final = (*FLAG_KEYS, HELP, VERSION)
FLAGS: Final = frozenset(name for key in _ALL for name in _names(key))
"""All flags, with their dashes."""

_SWITCHES: Final = frozenset(name for key in _ALL if not key.value_name for name in _names(key))
