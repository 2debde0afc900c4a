"""Credentials among the metadata: their secrets are replaced by a mask where metadata is shown to who drives the mock.

Below `iam/` and `identity-credentials/` these are the fields `SecretAccessKey` and `Token`; elsewhere they are those
fields of a document that has a `SecretAccessKey`. User data is shown as it is, as every client can read it.
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


def masked_leaf(path: str, body: bytes) -> bytes:
    """A leaf's bytes, without the secrets that credentials hold.

    Args:
        path: Its path, relative to the version.
        body: Its bytes.
    """
    if path.endswith(_CREDENTIAL_LEAVES):
        return MASK.encode()
    if not _is_concerned(path, body.decode(errors="replace")):
        return body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return MASK.encode() if _tells(body.decode(errors="replace")) else body
    return _hidden_text(text, lambda document: documents.write(document).decode()).encode()


def hidden(value: Any, path: str = "", *, encoded: bool = False) -> Any:
    """What the section `metadata` sets by path, without the secrets of credentials.

    Args:
        value: The section, or what stands in it.
        path: Where it stands.
        encoded: It is base64.
    """
    if isinstance(value, dict):
        return {
            name: hidden(held, _below(_among(path, name, value), name), encoded=name == _BASE64)
            for name, held in value.items()
        }
    if value is not None and _is_secret(path):
        return MASK
    if isinstance(value, list | tuple):
        return _hidden_list(value, path)
    if isinstance(value, str) and encoded:
        return _hidden_base64(value, path)
    return _hidden_text(value, json.dumps) if isinstance(value, str) and _is_concerned(path, value) else value


def shown_again(value: Any, before: Any, kept: set[str], path: str = "", *, encoded: bool = False) -> Any:
    """The same with what was hidden.

    Args:
        value: What was sent.
        before: What is in force there.
        kept: Takes the texts with secrets that were put back.
        path: Where it stands.
        encoded: It is base64.
    """
    if isinstance(value, dict) and isinstance(before, dict):
        return {
            name: shown_again(
                held, before.get(name), kept, _below(_among(path, name, value, before), name), encoded=name == _BASE64
            )
            for name, held in value.items()
        }
    shown = hidden(before, path, encoded=encoded)
    if value != shown:
        return value
    if shown != before:
        kept.update(texts(before))
    return before


def still_hidden(value: Any, path: str = "") -> str | None:
    """The path at which a mask still stands in a secret's place; None if there is none."""
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else ((None, each) for each in value)
        found = (still_hidden(held, path if name is None else _below(path, name)) for name, held in items)
        return next((each for each in found if each is not None), None)
    is_left = isinstance(value, str) and MASK in value and (_is_secret(path) or _is_concerned(path, value))
    return path.strip("/") if is_left else None


def texts(value: Any) -> list[str]:
    """All texts in a value."""
    if isinstance(value, dict | list | tuple):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in texts(each)]
    return [value] if isinstance(value, str) else []


def _is_concerned(path: str, text: str) -> bool:
    if _USER_DATA.fullmatch(path):
        return False
    return _CREDENTIALS.search(path) is not None or _KEY in _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _is_secret(path: str) -> bool:
    name = path.rstrip("/").rpartition("/")[2]
    return name == _KEY or (name in _CREDENTIAL_FIELDS and _CREDENTIALS.search(path) is not None)


def _among(path: str, name: object, *holders: Mapping[str, Any]) -> str:
    """A path, as one of credentials where all of these have a key: beside and below it a token is a secret."""
    are_credentials = all(_KEY in each or (name == _JSON and _holds_key(each.get(_JSON))) for each in holders)
    return f"{path}/iam" if are_credentials else path


def _holds_key(value: Any) -> bool:
    if isinstance(value, dict):
        return _KEY in value or any(map(_holds_key, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_key, value))


def _below(path: str, name: object) -> str:
    return path if str(name).startswith("$") else f"{path}/{name}"


def _tells(text: str) -> bool:
    return any(field in text for field in _CREDENTIAL_FIELDS)


def _hidden_list(value: Sequence[Any], path: str) -> Any:
    """Lines of one text, or items of a JSON list."""
    if all(isinstance(line, str) for line in value):
        text = "\n".join(value)
        return MASK if _is_concerned(path, text) and _tells(text) else value
    return [hidden(each, path) for each in value]


def _hidden_base64(value: str, path: str) -> str:
    try:
        text = binascii.a2b_base64(value).decode(errors="replace")
    except ValueError:
        return value
    return MASK if _is_concerned(path, text) and _hidden_text(text, json.dumps) != text else value


def _hidden_text(text: str, write: Callable[[Any], str]) -> str:
    """A text without the secrets in it; one of another form than JSON is hidden as a whole."""
    try:
        document = json.loads(text)
        shown = _hidden_json(document)
    except (ValueError, RecursionError):
        document = shown = None
    if shown != document:
        return write(shown)
    return MASK if not isinstance(document, dict | list) and _tells(text) else text


def _hidden_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: MASK if name in _CREDENTIAL_FIELDS else _hidden_json(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_hidden_json(each) for each in value]
    if isinstance(value, str) and _tells(value):
        # A document in a document.
        return _hidden_text(value, json.dumps) if _KEY in value or value.lstrip().startswith(("{", "[")) else value
    return value
