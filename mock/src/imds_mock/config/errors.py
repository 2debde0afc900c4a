"""Errors of a configuration: one line per problem, with the source, the key and what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.config.marks import known_keys
from imds_mock.errors import EX_CONFIG, MockError
from imds_mock.violations.finding import Reading
from imds_mock.violations.keys import KeyPath, Violation, dotted, renamed
from imds_mock.violations.words import bounded, fields_of, listed, nearest, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "READING",
    "ConfigError",
    "KeyPath",
    "Problem",
    "SettingError",
    "Violation",
    "dotted",
    "nearest",
    "problem_of",
    "renamed",
    "unknown_section",
]

READING: Final = Reading(names_paths=True)
"""How configurations are read."""


class Problem(msgspec.Struct, frozen=True):
    """One problem of a configuration.

    Attributes:
        sentence: The sentence about it, with its source and key.
        path: The key path, if known.
    """

    sentence: str
    path: KeyPath | None = None


class ConfigError(MockError):
    """A configuration that cannot be used: one sentence, or a line for each of several problems."""

    exit_code = EX_CONFIG

    def __init__(self, problems: str | Sequence[Problem], path: KeyPath | None = None) -> None:
        held = (Problem(problems, path),) if isinstance(problems, str) else problems
        # Keys and values come from the user: each problem has to stay one printable line of limited length.
        self.problems = tuple(Problem(bounded(printable(problem.sentence)), problem.path) for problem in held)
        super().__init__(listed([problem.sentence for problem in self.problems]))
        self.path = self.problems[0].path


class SettingError(ValueError):
    """A value that contradicts another one or cannot be read."""

    def __init__(self, path: KeyPath, sentence: str) -> None:
        super().__init__(f"{dotted(path)}: {sentence}")
        self.path = path
        self.sentence = sentence


def problem_of(violation: Violation, source: str = "") -> Problem:
    """Describe a violation as a problem."""
    parts = (source, dotted(violation.path), violation.sentence)
    return Problem(": ".join(filter(None, parts)), violation.path)


def unknown_section(kind: type[msgspec.Struct], name: str) -> str | None:
    """Describe an unknown key at the top of a document that is the key of a section.

    Returns:
        The sentence; None if no section has such a key.
    """
    if renamed([kind], name) or nearest(name, [known.name for known in fields_of(kind)]) is not None:
        return None
    elsewhere = {path[-1]: path for path in known_keys(kind)}
    like = nearest(name, elsewhere)
    return f"unknown key; did you mean {dotted(elsewhere[like])}?" if like else None
