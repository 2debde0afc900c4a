"""What is wrong with a configuration: a line for each problem, with its place, its key and what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.errors import EX_CONFIG, MockError
from imds_mock.violations.finding import KeyPath, Reading, Violation, dotted, find, renamed
from imds_mock.violations.words import bare_type, fields_of, in_words, is_struct, listed, nearest, options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ConfigError",
    "KeyPath",
    "Problem",
    "SettingError",
    "Violation",
    "dotted",
    "find_violations",
    "in_words",
    "known_keys",
    "nearest",
    "renamed",
    "unknown_section",
]

_READING: Final = Reading(names_paths=True)


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with a configuration.

    Attributes:
        sentence: The sentence about it, with its place and key.
        path: The key, where it is known.
    """

    sentence: str
    path: KeyPath | None = None


class ConfigError(MockError):
    """A configuration that cannot be used; one sentence, or a line for each of several problems.

    Args:
        problems: The problems, or the sentence about the only one.
        path: The key, where it is known and there is only one.
    """

    exit_code = EX_CONFIG

    def __init__(self, problems: str | Sequence[Problem], path: KeyPath | None = None) -> None:
        held = (Problem(problems, path),) if isinstance(problems, str) else problems
        # Keys and values are the user's; whatever they hold, each problem is one line that can be printed.
        self.problems = tuple(Problem(_printable(problem.sentence), problem.path) for problem in held)
        super().__init__(listed([problem.sentence for problem in self.problems]))
        self.path = self.problems[0].path


class SettingError(ValueError):
    """A value that contradicts another one or cannot be read.

    Args:
        path: The key.
        sentence: What is wrong and what was expected.
    """

    def __init__(self, path: KeyPath, sentence: str) -> None:
        super().__init__(f"{dotted(path)}: {sentence}")
        self.path = path
        self.sentence = sentence


def find_violations(kind: Any, value: Any, path: KeyPath = ()) -> list[Violation]:
    """Find everything in a document that does not fit its type; secrets are not repeated.

    Args:
        kind: The type, perhaps annotated with `msgspec.Meta`.
        value: What the document holds.
        path: Where it stands.
    """
    return find(kind, value, _READING, path)


def known_keys(kind: type[msgspec.Struct], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    """List every key below a struct, without what lists and mappings hold."""
    for known in fields_of(kind):
        path = (*prefix, known.name)
        yield path
        for option in options(known.type):
            if is_struct(bare := bare_type(option)):
                yield from known_keys(bare, path)


def unknown_section(kind: type[msgspec.Struct], name: str) -> str | None:
    """The sentence for an unknown key at the top of a document, if a section has such a key.

    Args:
        kind: The struct of the whole document.
        name: The key.
    """
    if renamed([kind], name) or nearest(name, [known.name for known in fields_of(kind)]) is not None:
        return None
    elsewhere = {known[-1]: known for known in known_keys(kind)}
    like = nearest(name, elsewhere)
    return f"unknown key; did you mean {dotted(elsewhere[like])}?" if like else None


def _printable(sentence: str) -> str:
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in sentence)
