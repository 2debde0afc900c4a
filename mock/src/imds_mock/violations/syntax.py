"""Why text is not valid JSON or YAML, in sentences that do not repeat its contents."""

from __future__ import annotations

import json
import re
from typing import Final

from imds_mock.violations.hiding import is_word

_EMPTY: Final = "it is empty"
_YAML_PROBLEMS: Final = (
    ("mapping values are not allowed", "unexpected `:`; put text that holds `: ` in quotes, and check the indentation"),
    (
        "cannot start any token",
        "unexpected character; indent with spaces, and put text with special characters in quotes",
    ),
    ("undefined alias", "this alias has no anchor; define it with & before"),
    ("duplicate anchor", "this anchor is defined twice; define it once"),
    ("another document", "a second document begins here; write one document"),
    ("appears twice", ""),
    ("unhashable key", "a key is text; write a name before the `:`"),
    ("end of file", "the text ends too early; check brackets and quotes"),
    ("end of stream", "the text ends too early; check brackets and quotes"),
    ("control characters", "a control character is not allowed here; remove it"),
    ("special characters", "a control character is not allowed here; remove it"),
    ("did not find expected", "unexpected text; check indentation, brackets and commas"),
    ("expected", "unexpected text; check indentation, brackets and commas"),
)
_TAG: Final = re.compile(r"could not determine a constructor for the tag '([^']*)'")
_MANY: Final = "it cannot be read; check quotes, brackets and nesting"


def json_problem(text: str) -> str:
    """Describe where and why JSON is invalid.

    Returns:
        Such as "unexpected 'e' at line 1, column 5; put text in double quotes".
    """
    if not text.strip():
        return _EMPTY
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        position = error.pos
        if error.msg.startswith("Illegal trailing comma"):
            # Python 3.13 and newer point at the comma, older ones at the bracket.
            position = len(text) - len(text[position + 1 :].lstrip())
        return _json_problem_at(position, text)
    except (ValueError, RecursionError):
        return _MANY
    return "it contains a number or a character that JSON does not allow"


def _json_problem_at(position: int, text: str) -> str:
    line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    place = f"line {line}, column {column}"
    rest = text[position:].lstrip()
    if not rest:
        return f"it ends too early, at {place}; check brackets and quotes"
    return f"unexpected {rest[0]!a} at {place}{_json_advice(rest[0], text[:position].rstrip())}"


def yaml_problem(words: str) -> str:
    """Describe why YAML is invalid."""
    if tag := _TAG.search(words):
        return f"{_tag_name(tag[1])} is not supported; write plain text, lists and mappings"
    for found, sentence in _YAML_PROBLEMS:
        if found in words:
            return sentence or words
    return _MANY


def _tag_name(tag: str) -> str:
    """Name a tag in a message. Unquoted text that begins with `!` is read as a tag, and may be a secret."""
    name = re.sub(r"[/:]", ".", tag.removeprefix("tag:yaml.org,2002:").removeprefix("!"))
    return f"the tag {tag}" if is_word(name) else "this tag"


def _json_advice(character: str, before: str) -> str:
    if character in "}]" and before.endswith(","):
        return "; remove the comma before it"
    if character == "," and before.endswith((",", "{", "[")):
        return "; remove this comma"
    if character == "'" or character.isalpha() or character in "_/$":
        return "; put text in double quotes"
    if before.endswith(('"', "}", "]")) and character in '"{[':
        return "; a comma is missing before it"
    return ""
