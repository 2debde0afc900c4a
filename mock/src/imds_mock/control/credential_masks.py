"""Credentials in the metadata: the control plane shows a mask in place of their secrets.

Below `iam/` and `identity-credentials/`, the secrets are the fields `SecretAccessKey` and `Token`; elsewhere, these
fields of documents with a `SecretAccessKey`. User data is shown as it is, because every client can read it.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import TYPE_CHECKING, Any, Final

from imds_mock.metadata import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MASK: Final = "********"

_KEY: Final = "SecretAccessKey"
_CREDENTIAL_FIELDS: Final = (_KEY, "Token")
_CREDENTIAL_LEAVES: Final = tuple(f"/{name}" for name in _CREDENTIAL_FIELDS)
_CREDENTIALS: Final = re.compile(r"(^|/)(iam|identity-credentials|[\w-]*security-credentials[\w-]*)(/|$)")
_USER_DATA: Final = re.compile(r"/*(latest/+)?user-data/*")
_ESCAPED: Final = re.compile(r"\\u([0-9A-Fa-f]{4})")
_BASE64: Final = "$base64"
_JSON: Final = "$json"


def mask_leaf(path: str, body: bytes) -> bytes:
    """Mask the secrets of credentials in the body of a leaf."""
    if path.endswith(_CREDENTIAL_LEAVES):
        return MASK.encode()
    if not _may_hold_secrets(path, body.decode(errors="replace")):
        return body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return MASK.encode() if _names_secret(body.decode(errors="replace")) else body
    return _mask_text(text, lambda document: documents.write(document).decode()).encode()


def mask_value(value: Any, path: str = "", *, encoded: bool = False) -> Any:
    """Mask the secrets of credentials in the section `metadata`."""
    if isinstance(value, dict):
        return {
            name: mask_value(held, _below(_with_credentials(path, name, value), name), encoded=name == _BASE64)
            for name, held in value.items()
        }
    if value is not None and _is_secret(path):
        return MASK
    if isinstance(value, list | tuple):
        return _mask_list(value, path)
    if isinstance(value, str) and encoded:
        return _mask_base64(value, path)
    return _mask_text(value, json.dumps) if isinstance(value, str) and _may_hold_secrets(path, value) else value


def unmask_value(value: Any, before: Any, kept: set[str], path: str = "", *, encoded: bool = False) -> Any:
    """Replace the masks in a value of the section `metadata` by the secrets in force.

    Args:
        value: The value that was sent.
        before: The value in force.
        kept: Receives the texts with secrets that replaced masks.
        path: Its path.
        encoded: Whether it is base64.
    """
    if isinstance(value, dict) and isinstance(before, dict):
        return {
            name: unmask_value(
                held,
                before.get(name),
                kept,
                _below(_with_credentials(path, name, value, before), name),
                encoded=name == _BASE64,
            )
            for name, held in value.items()
        }
    shown = mask_value(before, path, encoded=encoded)
    if value != shown:
        return value
    if shown != before:
        kept.update(texts(before))
    return before


def find_mask(value: Any, path: str = "") -> str | None:
    """Find the path of a mask that stands for a secret; None if there is none."""
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else ((None, each) for each in value)
        found = (find_mask(held, path if name is None else _below(path, name)) for name, held in items)
        return next((each for each in found if each is not None), None)
    is_left = isinstance(value, str) and MASK in value and (_is_secret(path) or _may_hold_secrets(path, value))
    return path.strip("/") if is_left else None


def texts(value: Any) -> list[str]:
    """List all texts in a value."""
    if isinstance(value, dict | list | tuple):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in texts(each)]
    return [value] if isinstance(value, str) else []


def _may_hold_secrets(path: str, text: str) -> bool:
    if _USER_DATA.fullmatch(path):
        return False
    return _CREDENTIALS.search(path) is not None or _KEY in _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _is_secret(path: str) -> bool:
    name = path.rstrip("/").rpartition("/")[2]
    return name == _KEY or (name in _CREDENTIAL_FIELDS and _CREDENTIALS.search(path) is not None)


def _with_credentials(path: str, name: object, *holders: Mapping[str, Any]) -> str:
    """Mark a path as one of credentials if all mappings have a secret key: then a token is a secret as well."""
    are_credentials = all(_KEY in each or (name == _JSON and _holds_key(each.get(_JSON))) for each in holders)
    return f"{path}/iam" if are_credentials else path


def _holds_key(value: Any) -> bool:
    if isinstance(value, dict):
        return _KEY in value or any(map(_holds_key, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_key, value))


def _below(path: str, name: object) -> str:
    return path if str(name).startswith("$") else f"{path}/{name}"


def _names_secret(text: str) -> bool:
    return any(field in text for field in _CREDENTIAL_FIELDS)


def _mask_list(value: Sequence[Any], path: str) -> Any:
    """Mask lines of one text, or items of a JSON list."""
    if all(isinstance(line, str) for line in value):
        text = "\n".join(value)
        return MASK if _may_hold_secrets(path, text) and _names_secret(text) else value
    return [mask_value(each, path) for each in value]


def _mask_base64(value: str, path: str) -> str:
    try:
        text = binascii.a2b_base64(value).decode(errors="replace")
    except ValueError:
        return value
    return MASK if _may_hold_secrets(path, text) and _mask_text(text, json.dumps) != text else value


def _mask_text(text: str, write: Callable[[Any], str]) -> str:
    """Mask the secrets in a text; text other than JSON is masked as a whole."""
    try:
        document = json.loads(text)
        shown = _mask_json(document)
    except (ValueError, RecursionError):
        document = shown = None
    if shown != document:
        return write(shown)
    return MASK if not isinstance(document, dict | list) and _names_secret(text) else text


def _mask_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: MASK if name in _CREDENTIAL_FIELDS else _mask_json(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_mask_json(each) for each in value]
    if isinstance(value, str) and _names_secret(value):
        # A document in a text of a document.
        return _mask_text(value, json.dumps) if _KEY in value or value.lstrip().startswith(("{", "[")) else value
    return value
