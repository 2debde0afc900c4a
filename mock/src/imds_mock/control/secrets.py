"""What the control plane never shows: a secret is replaced by a mask, and the mask sent back leaves it as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

MASK: Final = "********"

_SECRETS: Final = (
    ("control", "token"),
    ("credentials", "secret_access_key"),
    ("credentials", "session_token"),
    ("credentials", "seed"),
)
_CREDENTIAL_CATEGORIES: Final = ("meta-data/iam/", "meta-data/identity-credentials/")
_CREDENTIAL_FIELDS: Final = ("SecretAccessKey", "Token")


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document without its secrets."""
    shown = dict(document)
    for section, name in _SECRETS:
        if shown.get(section, {}).get(name) is not None:
            shown[section] = {**shown[section], name: MASK}
    return shown


def unmasked(document: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document with the secrets that it left masked.

    Args:
        document: What was sent.
        current: What is in force.
    """
    meant = dict(document)
    for section, name in _SECRETS:
        held = meant.get(section)
        if isinstance(held, dict) and held.get(name) == MASK:
            meant[section] = {**held, name: current.get(section, {}).get(name)}
    return meant


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
