"""What the control plane never shows: a secret is replaced by a mask, and the mask sent back leaves it as it was."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.secrets import SECRET_KEYS
from imds_mock.metadata import documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MASK: Final = "********"

_CREDENTIAL_CATEGORIES: Final = ("meta-data/iam/", "meta-data/identity-credentials/")
_CREDENTIALS: Final = "security-credentials"
_CREDENTIAL_FIELDS: Final = ("SecretAccessKey", "Token")


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document without its secrets."""
    shown = copy.deepcopy(dict(document))
    for holder in (shown, *_profiles(shown)):
        for section, name in SECRET_KEYS:
            place = _place(holder.get(section), name)
            if place is not None and place[0][place[1]] is not None:
                place[0][place[1]] = MASK
        if "metadata" in holder:
            holder["metadata"] = _hidden(holder["metadata"], "")
    return shown


def unmasked(document: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document with the secrets that it left masked.

    Args:
        document: What was sent.
        current: What is in force.
    """
    meant = copy.deepcopy(dict(document))
    for holder, before in _pairs(meant, current):
        for section, name in SECRET_KEYS:
            place = _place(holder.get(section), name)
            if place is not None and place[0][place[1]] == MASK:
                held = _place(before.get(section), name)
                place[0][place[1]] = None if held is None else held[0][held[1]]
        if "metadata" in holder:
            holder["metadata"] = _shown_again(holder["metadata"], before.get("metadata"), "")
    return meant


def _pairs(meant: dict[str, Any], current: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """What has sections, each with what it was before: a profile is known by whom it is for, whatever its place."""
    yield meant, current
    profiles, before = _profiles(meant), _profiles(current)
    left = list(range(len(before)))
    found: dict[int, int] = {}
    for place, profile in enumerate(profiles):
        same = next((each for each in left if _for_whom(before[each]) == _for_whom(profile)), None)
        if same is not None:
            left.remove(same)
            found[place] = same
    for place, profile in enumerate(profiles):
        # Whom it is for may be what was changed.
        was = found.get(place, place if place in left else None)
        yield profile, {} if was is None else before[was]


def _for_whom(profile: Mapping[str, Any]) -> dict[str, Any]:
    match = profile.get("match")
    return {name: value for name, value in match.items() if value is not None} if isinstance(match, dict) else {}


def _profiles(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    profiles = document.get("profiles")
    if not isinstance(profiles, list | tuple):
        return []
    return [profile if isinstance(profile, dict) else {} for profile in profiles]


def _hidden(value: Any, path: str) -> Any:
    """What was set by path, without the secrets of credentials."""
    if isinstance(value, dict):
        return {
            name: _hidden(held, path if str(name).startswith("$") else f"{path}/{name}") for name, held in value.items()
        }
    if not isinstance(value, str) or _CREDENTIALS not in path:
        return value
    if path.rpartition("/")[2] in _CREDENTIAL_FIELDS:
        return MASK
    try:
        document = json.loads(value)
    except ValueError:
        return value
    if not isinstance(document, dict) or document.keys().isdisjoint(_CREDENTIAL_FIELDS):
        return value
    return json.dumps(document | {name: MASK for name in _CREDENTIAL_FIELDS if name in document})


def _shown_again(value: Any, before: Any, path: str) -> Any:
    """The same with what was hidden."""
    if isinstance(value, dict) and isinstance(before, dict):
        return {
            name: _shown_again(held, before.get(name), path if str(name).startswith("$") else f"{path}/{name}")
            for name, held in value.items()
        }
    return before if value == _hidden(before, path) else value


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
    if path.rpartition("/")[2] in _CREDENTIAL_FIELDS:
        return MASK.encode()
    try:
        document = json.loads(body)
    except ValueError:
        return body
    if not isinstance(document, dict):
        return body
    hidden = {name: MASK for name in _CREDENTIAL_FIELDS if name in document}
    return documents.write(document | hidden) if hidden else body
