"""What the control plane never shows: a secret is replaced by a mask, and the mask sent back leaves it as it was."""

from __future__ import annotations

import binascii
import copy
import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.secrets import SECRET_KEYS
from imds_mock.metadata import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MASK: Final = "********"

_CREDENTIAL_CATEGORIES: Final = ("meta-data/iam/", "meta-data/identity-credentials/")
_CREDENTIALS: Final = "security-credentials"
_CREDENTIAL_FIELDS: Final = ("SecretAccessKey", "Token")
_BASE64: Final = "$base64"


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document without its secrets."""
    shown = copy.deepcopy(dict(document))
    for holder in (shown, *_profiles(shown)):
        for section, name in SECRET_KEYS:
            for held, key in _places(holder.get(section), name):
                if held[key] is not None:
                    held[key] = MASK
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
            was = list(_places(before.get(section), name))
            for place, (held, key) in enumerate(_places(holder.get(section), name)):
                if held[key] == MASK:
                    known, known_key = was[min(place, len(was) - 1)] if was else ({}, key)
                    held[key] = known.get(known_key)
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


def _hidden(value: Any, path: str, *, encoded: bool = False) -> Any:
    """What was set by path, without the secrets of credentials."""
    if isinstance(value, dict):
        return {name: _hidden(held, _below(path, name), encoded=name == _BASE64) for name, held in value.items()}
    if value is None or _CREDENTIALS not in path:
        return value
    if path.rpartition("/")[2] in _CREDENTIAL_FIELDS:
        return MASK
    if isinstance(value, list | tuple):
        return _hidden_list(value, path)
    if not isinstance(value, str):
        return value
    return _hidden_base64(value) if encoded else _hidden_text(value, json.dumps)


def _shown_again(value: Any, before: Any, path: str, *, encoded: bool = False) -> Any:
    """The same with what was hidden."""
    if isinstance(value, dict) and isinstance(before, dict):
        return {
            name: _shown_again(held, before.get(name), _below(path, name), encoded=name == _BASE64)
            for name, held in value.items()
        }
    return before if value == _hidden(before, path, encoded=encoded) else value


def _below(path: str, name: object) -> str:
    return path if str(name).startswith("$") else f"{path}/{name}"


def _tells(text: str) -> bool:
    return any(field in text for field in _CREDENTIAL_FIELDS)


def _hidden_list(value: Sequence[Any], path: str) -> Any:
    """Lines of one text, or items of a JSON list."""
    if all(isinstance(line, str) for line in value):
        return MASK if _tells("\n".join(value)) else value
    return [_hidden(each, path) for each in value]


def _hidden_base64(value: str) -> str:
    try:
        text = binascii.a2b_base64(value).decode(errors="replace")
    except ValueError:
        return value
    return value if _hidden_text(text, json.dumps) == text else MASK


def _hidden_text(text: str, write: Callable[[Any], str]) -> str:
    """A text without the secrets in it; one of another form than JSON is hidden as a whole."""
    try:
        document = json.loads(text)
        hidden = _hidden_json(document)
    except (ValueError, RecursionError):
        document = hidden = None
    if hidden != document:
        return write(hidden)
    return MASK if not isinstance(document, dict | list) and _tells(text) else text


def _hidden_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: MASK if name in _CREDENTIAL_FIELDS else _hidden_json(held) for name, held in value.items()}
    return [_hidden_json(each) for each in value] if isinstance(value, list) else value


def _places(held: Any, name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The mappings that hold a key, and the key in each, in whatever case and however dots and mappings divide it."""
    if not isinstance(held, dict):
        return
    for key in held:
        written = str(key).lower()
        if written == name:
            yield held, key
        elif name.startswith(f"{written}."):
            yield from _places(held[key], name[len(written) + 1 :])


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
        text = body.decode()
    except UnicodeDecodeError:
        return MASK.encode() if _tells(body.decode(errors="replace")) else body
    return _hidden_text(text, lambda document: documents.write(document).decode()).encode()
