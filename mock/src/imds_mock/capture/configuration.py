"""Writes a capture as a configuration: settings where they reproduce the leaves, overrides by path for all others."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from imds_mock.capture.client import Answer, CaptureError
from imds_mock.capture.paths import ROLE_NAME, since_of
from imds_mock.capture.reproduction import UNKNOWN
from imds_mock.capture.settings import DOCUMENT, reproduce

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imds_mock.capture.walk import Walked

_MAX_BYTES = 1024 * 1024
_DATA_ERROR = 65
_NETWORK = "meta-data/network"
_AEMM_MAC, _AEMM_ROLE = "0e:49:61:0f:c3:11", "baskinc-role"
_CONTENT_TYPE = r"[!-~]+/[!-~]+(?: *;[ -~]*)?"
_VERSION = r"1\.0|[0-9]{4}-[0-9]{2}-[0-9]{2}|latest"
# Text that YAML reads as the same text without quotes.
_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z_][A-Za-z0-9_./-]*", re.IGNORECASE)
_HEADER = "# Captured from a metadata service. Start a mock with it: imds-mock serve --config FILE\n"


def write_configuration(walked: Walked) -> str:
    """The configuration as YAML.

    Raises:
        CaptureError: It is larger than a configuration can be.
    """
    document = _aemm_document(walked) if walked.is_aemm else _document(walked)
    text = _HEADER + "".join(_lines(document, ""))
    if len(text.encode()) > _MAX_BYTES:
        raise CaptureError(
            f"the configuration has more than {_MAX_BYTES // 1024} KiB, too much for the mock", _DATA_ERROR
        )
    return text


def notes(walked: Walked) -> Iterator[str]:
    """Sentences about what the configuration leaves out or cannot reproduce."""
    for path in walked.omitted:
        secret = "it holds a secret" if path != "user-data" else "add --include-user-data to include it"
        yield f"{path} was left out: {secret}"
    if not walked.is_aemm:
        served = reproduce(walked).served
        for path, answer in walked.leaves.items():
            if answer is None and path not in served:
                yield f"{path} was left out: it holds credentials or a signature, and the mock generates none there"
        if DOCUMENT in walked.leaves and served.get(DOCUMENT) is UNKNOWN:
            yield f"{DOCUMENT} is an override, because settings do not reproduce it; its signatures do not match it"


def _document(walked: Walked) -> dict[str, Any]:
    native = reproduce(walked)
    return {
        "metadata_options": native.options,
        "instance": native.instance,
        "credentials": native.credentials,
        "versions": [version for version in walked.versions if re.fullmatch(_VERSION, version)],
        "metadata": dict(_overrides(walked, native.served)),
    }


def _overrides(walked: Walked, served: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The overrides in the order in which they apply: removals first."""
    removed = [path for path in served if path not in walked.leaves]
    if _NETWORK in served:
        removed = [path for path in removed if not path.startswith(f"{_NETWORK}/")]
    for path in sorted(removed):
        yield path, None
    for path in sorted(walked.categories):
        if path and not any(leaf.startswith(f"{path}/") for leaf in walked.leaves):
            yield path, {}
    for path, answer in sorted(walked.leaves.items()):
        own = served.get(path, UNKNOWN)
        if answer is None and path not in served:
            continue
        is_reproduced = answer is None or own is None or own == answer.body
        value = _value(walked, path, answer, is_reproduced=is_reproduced)
        if value is not None:
            yield path, value


def _value(walked: Walked, path: str, answer: Answer | None, *, is_reproduced: bool) -> Any:
    """The override of a leaf; None if it needs none."""
    details: dict[str, str] = {}
    first, since = walked.first_versions.get(path), since_of(path)
    if first != next((version for version in walked.versions if version >= since), first):
        details["$since"] = str(first)
    usual = "application/octet-stream" if path == "user-data" else "text/plain"
    if answer is not None and answer.content_type != usual and re.fullmatch(_CONTENT_TYPE, answer.content_type):
        details["$content_type"] = answer.content_type
    if answer is None or is_reproduced:
        return details or None
    if answer.text is None:
        return {"$base64": base64.b64encode(answer.body).decode(), **details}
    return {"$text": answer.text, **details} if details else answer.text


def _aemm_document(walked: Walked) -> dict[str, Any]:
    """The configuration for a capture of amazon-ec2-metadata-mock, whose data the mock serves with other rules."""
    instance: dict[str, Any] = {}
    mac = walked.texts.get("meta-data/mac", _AEMM_MAC)
    if mac != _AEMM_MAC and re.fullmatch("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", mac):
        instance["mac"] = mac
    role = walked.texts.get("meta-data/iam/security-credentials", _AEMM_ROLE)
    if role != _AEMM_ROLE and re.fullmatch(ROLE_NAME, role):
        instance["role"] = role
    leaves = ((path, answer) for path, answer in sorted(walked.leaves.items()) if path not in walked.categories)
    return {
        "compatibility": "aemm",
        "metadata_options": {"http_tokens": "required" if walked.requires_tokens else "optional"},
        "instance": instance,
        "metadata": {
            path: _value(walked, path, answer, is_reproduced=False) for path, answer in leaves if answer is not None
        },
    }


def _lines(document: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The lines of a mapping as YAML; sections that are empty are left out at the top."""
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{_scalar(key)}:\n"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{_scalar(key)}:\n"
            for each in value:
                first, *others = _lines(each, f"{indent}    ")
                yield f"{indent}  - {first.lstrip()}"
                yield from others
        elif indent or value != {}:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    return json.dumps(value, ensure_ascii=False)
