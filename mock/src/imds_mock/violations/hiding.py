"""Which keys and values a message may repeat: no secret, and no text that may be a secret in the wrong place."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from imds_mock.violations.marks import MAY_HOLD_SECRETS, SECRET
from imds_mock.violations.words import bare_type, fields_of, is_struct, nearest, options, shown

NOT_SHOWN: Final = "something else (not shown, it may hold a secret)"
"""Stands for a value that a message must not repeat."""

# Letters and separators only: a misspelled name rather than a token.
_WORD: Final = re.compile(r"[A-Za-z$][A-Za-z_.-]{0,31}")
# A shorter text is a number or a typing error.
_SHORT: Final = 8


def extra_of(kind: Any) -> dict[str, Any]:
    """Merge `Meta.extra` of all annotations of a type."""
    merged: dict[str, Any] = {}
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta):
            merged |= meta.extra or {}
    return merged


def has_secrets(kind: Any) -> bool:
    """Whether a struct, or a struct of a union, has secret fields."""
    structs = (bare for option in options(kind) if is_struct(bare := bare_type(option)))
    return any(SECRET in extra_of(known.type) for struct in structs for known in fields_of(struct))


def may_be_secret(kind: Any) -> bool:
    """Whether a value given for this type may be or hold a secret, so that no message may quote it."""
    return not {SECRET, MAY_HOLD_SECRETS}.isdisjoint(extra_of(kind)) or has_secrets(kind)


def is_word(text: str) -> bool:
    """Whether text looks like a name rather than a secret, so that a message may repeat it."""
    return len(text) <= _SHORT or _WORD.fullmatch(text) is not None


def shown_unless_secret(value: Any) -> str:
    """Show a value where it may be a secret: text is repeated only if it looks like a word."""
    return NOT_SHOWN if isinstance(value, str) and not is_word(value) else shown(value)


def may_repeat_key(key: str, kinds: list[Any]) -> bool:
    """Whether a message may repeat an unknown key; beside secrets, only if it resembles a known key."""
    names = [known.encode_name for kind in kinds for known in fields_of(kind)]
    return nearest(key, names) is not None or (not any(map(has_secrets, kinds)) and is_word(key))
