"""Marks on types: what messages and checks need to know about a value besides its type."""

from __future__ import annotations

from typing import Final

EXPECTED: Final = "expected"
"""Key in `Meta.extra`: what was expected, in words, such as "a region such as us-east-1"."""

CHECK: Final = "check"
"""Key in `Meta.extra`: a callable that takes a value of the right type and raises `ValueError` if it is wrong.

The error's text is the sentence. If it is empty, the sentence is made from `EXPECTED`.
"""

MISTAKES: Final = "mistakes_in"
"""Name of a class method of structs: takes the mapping that is to become the struct, and yields the paths and sentences
of keys that contradict each other. Errors in the types of single keys are found without it."""

RENAMED: Final = "renamed"
"""Name of a class variable of structs: the old name of a key to its new name and the version that renamed it."""

SECRET: Final = "secret"  # noqa: S105 - the name of a mark
"""Key in `Meta.extra`: the value is never shown."""

MAY_HOLD_SECRETS: Final = "may hold secrets"
"""Key in `Meta.extra`: no message quotes the value, such as a mapping with secrets or a URL with a password."""
