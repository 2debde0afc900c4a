"""What the control plane never shows: a secret is replaced by a mask, and the mask sent back leaves it as it was."""

from __future__ import annotations

import copy
import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.secrets import SECRET_KEYS
from imds_mock.metadata import documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MASK: Final = "********"

_CREDENTIAL_CATEGORIES: Final = ("meta-data/iam/", "meta-data/identity-credentials/")
_CREDENTIAL_FIELDS: Final = ("SecretAccessKey", "Token")


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document without its secrets."""
    shown = copy.deepcopy(dict(document))
    for holder in _holders(shown):
        for section, name in SECRET_KEYS:
            place = _place(holder.get(section), name)
            if place is not None and place[0][place[1]] is not None:
                place[0][place[1]] = MASK
    return shown


def unmasked(document: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document with the secrets that it left masked.

    Args:
        document: What was sent.
        current: What is in force.
    """
    meant = copy.deepcopy(dict(document))
    # A profile has no name: its place is what tells which one it was.
    nothing: Mapping[str, Any] = {}
    for holder, before in zip_longest(_holders(meant), _holders(current), fillvalue=nothing):
        for section, name in SECRET_KEYS:
            place = _place(holder.get(section), name)
            if place is not None and place[0][place[1]] == MASK:
                held = _place(before.get(section), name)
                place[0][place[1]] = None if held is None else held[0][held[1]]
    return meant


def _holders(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What has sections: the document, then its profiles."""
    yield document
    profiles = document.get("profiles")
    if isinstance(profiles, list | tuple):
        yield from (profile if isinstance(profile, dict) else {} for profile in profiles)


def _place(held: Any, name: str) -> tuple[dict[str, Any], str] | None:
    """The mapping that holds a key, whether it is written with dots or as nested mappings, and the key in it."""
    if not isinstance(held, dict):
        return None
    if name in held:
        return held, name
    first, _, rest = name.partition(".")
    return _place(held.get(first), rest) if rest else None


def masked_leaf(path: str, body: bytes) -> bytes:
    """A leaf's bytes, without the secrets that credentials hold.

    Args:
        path: Its path, relative to the version.
        body: Its bytes.
    """
    if not path.startswith(_CREDENTIAL_CATEGORIES):
        return body
    try:
        document = json.loads(body)
    except ValueError:
        return body
    if not isinstance(document, dict):
        return body
    hidden = {name: MASK for name in _CREDENTIAL_FIELDS if name in document}
    return documents.write(document | hidden) if hidden else body
