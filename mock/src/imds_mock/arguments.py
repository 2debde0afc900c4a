"""The command-line parser: help with examples of values, and error messages that suggest what was meant."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from imds_mock.errors import EX_USAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FORMATS: Final = {
    "DURATION": "250ms, 30s, 5m or 1h30m",
    "TIME": "2026-01-31T12:00:00Z",
    "WHEN": "5m or 2026-01-31T12:00:00Z",
    "PATTERN": "'*/iam/*' or 'meta-data/iam/*'",
    "WHO": "app, shop-app-1 or 172.18.0.3",
}
"""Metavar to examples of values, for the forms that several commands use."""

_COMMANDS: Final = ("COMMAND", "ACTION", "KIND")
"""The metavars of subcommands."""

_FEW: Final = 6
_WIDTH: Final = 80  # if it is unknown
_MARGIN: Final = 2


def number(text: str) -> float:
    """A finite number, as JSON requires.

    Args:
        text: As written on the command line.

    Raises:
        ValueError: The text is not one.
    """
    read = float(text)
    if not math.isfinite(read):
        raise ValueError(text)
    return read


def duration(text: str) -> float:
    """Seconds, from text such as `30s`.

    Args:
        text: As written on the command line.

    Raises:
        argparse.ArgumentTypeError: The text is not a duration.
    """
    from imds_mock.scheduling.schedule import read_duration  # noqa: PLC0415 - the health check does without it

    try:
        return read_duration("", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_WORDS: Final = {int: "a whole number", number: "a number"}
# Messages that argparse passes only to `error`, and their replacements.
_SENTENCES: Final = (
    (r"the following arguments are required: (.+)", r"missing \1"),
    (r"argument (\S+): expected one argument", r"\1: expected a value; write one that begins with a dash as \1=VALUE"),
    (r"argument (\S+): expected at least one argument", r"\1: expected one value or more"),
    (r"argument (\S+): not allowed with argument (\S+)", r"\1 and \2 exclude each other; give one of them"),
    (r"one of the arguments (\S+) (\S+) is required", r"give one of \1 or \2"),
    (r"one of the arguments (\S+) (\S+) (\S+) is required", r"give one of \1, \2 or \3"),
    (r"argument (\S+): ignored explicit argument .+", r"\1: takes no value"),
    (r"ambiguous option: (\S+) could match (.+)", r"\1: expected one of \2"),
)


# argparse has no public name for this class, and at run time it takes no type parameter.
class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001
    """Subcommands whose own help begins with their text in the list of commands."""

    def add_parser(self, name: str, **settings: Any) -> Any:
        """Add a subcommand."""
        text = settings.get("help", "")
        return super().add_parser(name, **{"description": f"{text[:1].upper()}{text[1:]}.", **settings})


class _Formatter(argparse.HelpFormatter):
    """Help that leaves room for the indented names of subcommands, which argparse counts without their indent.

    Args:
        prog: The program's name.
        settings: See `argparse.HelpFormatter`.
    """

    def __init__(self, prog: str, **settings: Any) -> None:
        # argparse makes a formatter for every declared argument, and would import shutil to ask for the width.
        super().__init__(prog, **{"width": _terminal_width() - _MARGIN, **settings})

    def add_argument(self, action: argparse.Action) -> None:
        """Add an argument."""
        super().add_argument(action)
        names = [self._format_action_invocation(each) for each in self._iter_indented_subactions(action)]
        longest = max(map(len, names), default=0)
        self._action_max_length = max(self._action_max_length, longest + 2 * self._indent_increment)


def _terminal_width() -> int:
    """The width of the terminal, as `shutil.get_terminal_size` finds it."""
    with contextlib.suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", ""))) > 0:
            return columns
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _WIDTH  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):  # it is closed, or no terminal
        return _WIDTH


class Parser(argparse.ArgumentParser):
    """A parser that exits with sysexits' code for wrong usage and suggests the nearest known name.

    Args:
        declare: Declares arguments when they are first needed, because `ctl` has many commands and each call uses one.
        settings: See `argparse.ArgumentParser`.
    """

    def __init__(self, *, declare: Callable[[Parser], None] | None = None, **settings: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, **settings})
        self._declare = declare

    def declare_all(self) -> None:
        """Declare the arguments of this command and of all its subcommands now, for a caller that lists them."""
        self._declare_own()
        for action in self._actions:
            if isinstance(action, _Commands):
                for command in action.choices.values():
                    command.declare_all()

    def add_subparsers(self, **settings: Any) -> Any:
        """Declare that subcommands follow."""
        return super().add_subparsers(**{"action": _Commands, **settings})

    def format_help(self) -> str:
        """The help, with examples for each form in the usage."""
        self._declare_own()
        asked = set(re.findall(r"\b[A-Z]+\b", self.format_usage()))
        examples = [f"  {word} is written like {text}\n" for word, text in FORMATS.items() if word in asked]
        return super().format_help() + "".join(["\n", *examples] if examples else [])

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments; the subcommand that was given an unknown argument reports it."""
        self._declare_own()
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(self._unknown(left))
        return found, left

    def error(self, message: str) -> NoReturn:
        """Print the message and how to get help, and exit."""
        from imds_mock.violations.words import bounded  # noqa: PLC0415 - as in `_did_you_mean`

        for pattern, sentence in _SENTENCES:
            if found := re.fullmatch(pattern, message, re.DOTALL):
                message = found.expand(sentence)
                break
        more = " See" if message.endswith("?") else "; see"
        self.exit(EX_USAGE, f"{self.prog}: {bounded(message)}{more} {self.prog} --help\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse ignores errors, so help on a full disk would seem to have been printed.
        if message and file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def _declare_own(self) -> None:
        declare, self._declare = self._declare, None
        if declare is not None:
            declare(self)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        names = list(map(str, action.choices))
        what = _name(action)
        if what in _COMMANDS:
            sentence = f"unknown {what.lower()} {_shown(value)}{_did_you_mean(value, names)}"
        else:
            sentence = f"{what}: expected {_listed(names)}, got {_shown(value)}{_did_you_mean(value, names)}"
        raise argparse.ArgumentError(None, sentence)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if isinstance(error.__context__, argparse.ArgumentTypeError):
                raise argparse.ArgumentError(None, f"{_name(action)}: {error.__context__}") from error
            expected = _WORDS.get(action.type, "another value")  # any callable
            raise argparse.ArgumentError(
                None, f"{_name(action)}: expected {expected}, got {_shown(arg_string)}"
            ) from error

    def _unknown(self, left: Sequence[str]) -> str:
        options = [word.partition("=")[0] for word in left if word.startswith("-") and word != "--"]
        known = [option for action in self._actions for option in action.option_strings]
        sentences = [
            f"unknown option {_shown(option, quoted=False)}{_did_you_mean(option, known)}" for option in options
        ]
        return ", ".join(sentences or [f"unexpected argument {_shown(word)}" for word in left])


class _Once(argparse._StoreAction):  # noqa: SLF001 - see above
    """An option that is rejected if it is repeated, because all but the last value would be ignored silently."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if option_string and getattr(namespace, self.dest, None) is not None:
            raise argparse.ArgumentError(None, f"{option_string} is given twice; give it once")
        super().__call__(parser, namespace, values, option_string)


class SingleParser(Parser):
    """A parser that rejects repeated options, for commands that an ignored option would change."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name in (None, "store"):
            self.register("action", name, _Once)


def _name(action: argparse.Action) -> str:
    """The name of an argument in messages."""
    if action.option_strings:
        return max(action.option_strings, key=len)
    return str(action.metavar or action.dest)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) > _FEW else " or ".join(names)


def _shown(text: str, *, quoted: bool = True) -> str:
    from imds_mock.violations.words import shown  # noqa: PLC0415 - as in `_did_you_mean`

    written = shown(text)
    return written if quoted or written != f"'{text}'" else text


def _did_you_mean(name: str, names: Iterable[str]) -> str:
    from imds_mock.violations.words import nearest  # noqa: PLC0415 - only a mistake needs it, and msgspec with it

    like = nearest(name, names)
    return f"; did you mean {like}?" if like else ""
