"""Marks on types: what an error message and a check of a single value need to know besides the type itself."""

from __future__ import annotations

from typing import Final

EXPECTED: Final = "expected"
"""Key in `Meta.extra`: the words for what was expected, such as "a region such as us-east-1"."""

CHECK: Final = "check"
"""Key in `Meta.extra`: a callable that takes a value of the right type and raises `ValueError` if it does not fit.

The error's text is the sentence about it. Without a text, the sentence is made from `EXPECTED`.
"""

MISTAKES: Final = "mistakes_in"
"""Name of a class method of structs: takes a mapping that should become one, and gives the paths and sentences of keys
that contradict each other. What the types of the keys do not allow is found without it."""

RENAMED: Final = "renamed"
"""Name of a class variable of structs: the old name of a key to its new name and the version that renamed it."""

SECRET: Final = "secret"  # noqa: S105 - the name of a mark
"""Key in `Meta.extra`: the value is never shown."""

MAY_HOLD_SECRETS: Final = "may hold secrets"
"""Key in `Meta.extra`: no message quotes the value, such as a mapping with secrets or a URL with a password."""
