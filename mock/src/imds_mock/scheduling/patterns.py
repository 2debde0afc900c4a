"""Patterns for metadata paths, as used by faults, filters and assertions.

| in a pattern | matches |
|---|---|
| `*` | any characters, slashes included, or none |
| `...` | the same as `*`: `meta-data/iam/...` is `iam` and everything below |
| `?` | one character, but not a slash |
| `[abc]`, `[a-z]`, `[!abc]` | one character of a set, or one outside it, but not a slash |
| `/` at the end | ignored, in the pattern and in the path |
| `meta-data/`, `dynamic/`, `user-data`, `api/` at the beginning | that path under any version |

So `*/iam/*` matches everything below `iam/` and `/latest/meta-data/iam/` itself.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.options import METAVAR
from imds_mock.violations.marks import CHECK, EXPECTED

_LONGEST: Final = 1024  # as much of a path as the journal keeps; compiling a longer pattern would block the event loop

_CATEGORIES: Final = ("meta-data", "dynamic", "user-data", "api")  # what is below each version
_VERSION: Final = re.compile(r"latest$|v?\d|.*[*?\[]")  # of the metadata service or a container agent, or a pattern
_TOKEN: Final = re.compile(r"\.\.\.|\*+|\?|\[(!?)(\]?[^\]]*)\]|.", re.DOTALL)
_OPEN: Final = ("/", "*", "?", "[", "...")

BEGINNING: Final = rf"^([/*?\[]|\.\.\.|latest(/|$)|v?[0-9]|({'|'.join(_CATEGORIES)})(/|$)|[^/\n]*[*?\[])"
"""The beginning of a pattern, for the OpenAPI document; any text that begins like this is a pattern."""

Pattern = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={"pattern": BEGINNING, "maxLength": _LONGEST},
        extra={
            METAVAR: "PATTERN",
            EXPECTED: "a pattern such as '*/iam/*' or 'meta-data/iam/*'",
            CHECK: lambda text: PathPattern(text),  # noqa: PLW0108 - the class is defined below
        },
    ),
]
"""A pattern as text."""


class PathPattern:
    """A pattern for whole paths.

    Args:
        text: The pattern, such as `/latest/meta-data/iam/*`; the slash at the beginning is optional.

    Raises:
        FieldError: The pattern is empty or too long, or no path begins like it.
    """

    __slots__ = ("_matches", "text")

    def __init__(self, text: str) -> None:
        if not text:
            raise FieldError("path", "expected a pattern, got nothing; write * for every path")
        if len(text) > _LONGEST:
            raise FieldError("path", f"expected a pattern of at most {_LONGEST} characters, got {len(text)}")
        first = text.partition("/")[0]
        any_version = ""
        if first in _CATEGORIES:
            any_version, text = "/[^/]+", f"/{text}"
        elif not text.startswith(_OPEN):
            if not _VERSION.match(first):
                # It would never match, so an assertion that a path was not requested would always hold.
                sentence = f"no path begins with {first!r}; write it like '*/iam/*' or 'meta-data/iam/*'"
                raise FieldError("path", sentence)
            text = f"/{text}"
        self.text = text
        self._matches = re.compile(f"(?s:{any_version}{_translated(text.rstrip('/'))}/?)").fullmatch

    def matches(self, path: str) -> bool:
        """Whether the pattern matches a path.

        Args:
            path: The path of a request, with or without a slash at the end.
        """
        return self._matches(f"{path.rstrip('/')}/") is not None


def _translated(text: str) -> str:
    # Between two stars the first match is as good as any other, so atomic groups prevent backtracking: the time grows
    # with the length of the path, whatever the number of stars.
    parts = [""]
    for token in _TOKEN.finditer(text):
        written = token[0]
        if written == "..." or written.startswith("*"):
            parts.append("")
        elif written == "?":
            parts[-1] += "[^/]"
        elif token[2]:
            parts[-1] += f"(?!/)[{'^' if token[1] else ''}{_members(token[2])}]"
        else:
            parts[-1] += re.escape(written)
    beginning, *rest = parts
    if not rest:
        return beginning
    *between, end = rest
    return f"{beginning}{''.join(f'(?>.*?{part})' for part in between)}.*{end}"


def _members(text: str) -> str:
    translated = []
    for each in re.finditer(r"(.)-(.)|.", text, re.DOTALL):
        if each[1] is None:
            translated.append(re.escape(each[0]))
        elif each[1] > each[2]:
            sentence = f"the range {each[0]!r} in [{text}] ends before it begins; write {f'{each[2]}-{each[1]}'!r}"
            raise FieldError("path", sentence)
        else:
            translated.append(f"{re.escape(each[1])}-{re.escape(each[2])}")
    return "".join(translated)
