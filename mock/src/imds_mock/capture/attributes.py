"""Settings of devices, role, keys, tags and user data from captured leaves."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from imds_mock.capture.paths import LINE, ROLE_NAME, WORD
from imds_mock.capture.reproduction import UNKNOWN

if TYPE_CHECKING:
    from imds_mock.capture.reproduction import Reproduction

_DEVICES = "meta-data/block-device-mapping/"
_KEYS = "meta-data/public-keys"
_ROLES = "meta-data/iam/security-credentials"
_PROFILE = "meta-data/iam/info"
_SSH = "meta-data/managed-ssh-keys/"
_TAGS = "meta-data/tags/instance/"
_TAG_KEY = r"(?!\.{1,2}$|_index$)[A-Za-z0-9+\-=.,_:@]{1,128}"
_PUBLIC_KEY = r"([!-~]+) ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)(?: ([^\x00-\x1f\x7f]*))?\n?"
_MAX_USER_DATA_BYTES = 16 * 1024


def read_devices(capture: Reproduction) -> None:
    """Set the block devices."""
    mapping = capture.below(_DEVICES)
    root = mapping.get("root", "")
    if re.fullmatch("/dev/[A-Za-z0-9_/-]+", root):
        capture.instance["root_device"] = root
    devices = {
        name: device
        for name, device in mapping.items()
        if re.fullmatch("(?:ebs|ephemeral)[0-9]+|swap", name) and re.fullmatch("(?:/dev/)?[A-Za-z0-9_/-]+", device)
    }
    if devices:
        capture.instance["block_devices"] = devices
    served = {"ami": capture.instance.get("root_device", "/dev/xvda")}
    served["root"] = served["ami"]
    served.update({name: re.sub("^/dev/", "", device) for name, device in devices.items()})
    capture.served.update({_DEVICES + name: device.encode() for name, device in served.items()})


def read_role(capture: Reproduction, account: str, partition: str) -> None:
    """Set the role and its instance profile."""
    leaves = capture.walked.leaves
    roles = [name for name in capture.walked.categories.get(_ROLES, []) if f"{_ROLES}/{name}" in leaves]
    role = next((name for name in roles if re.fullmatch(ROLE_NAME, name)), None)
    capture.instance["role"] = role
    if role is None:
        return
    capture.served[f"{_ROLES}/{role}"] = None
    if f"{_ROLES}-extended/{role}" in leaves:
        capture.credentials["extended"] = True
        capture.served[f"{_ROLES}-extended/{role}"] = None
    info = capture.walked.json(_PROFILE)
    before, _, name = str(info.get("InstanceProfileArn", "")).partition(":instance-profile/")
    unique = str(info.get("InstanceProfileId", ""))
    capture.served[_PROFILE] = UNKNOWN
    if (
        info.get("Code") == "Success"
        and before == f"arn:{partition}:iam::{account}"
        and re.fullmatch(ROLE_NAME, name)
        and re.fullmatch("AIPA[A-Z0-9]{12,}", unique)
    ):
        capture.served[_PROFILE] = None
        capture.instance["instance_profile_id"] = unique
        if name != role:
            capture.instance["instance_profile"] = name


def read_keys(capture: Reproduction) -> None:
    """Set the public keys and the keys of EC2 Instance Connect."""
    keys: list[dict[str, str]] = []
    served: dict[str, bytes] = {}
    for index, listed in enumerate(capture.walked.categories.get(_KEYS, [])):
        number, _, name = listed.partition("=")
        path = f"{_KEYS}/{index}/openssh-key"
        found = re.fullmatch(_PUBLIC_KEY, capture.texts.get(path, ""))
        if number != str(index) or not found or not found.group(2) or not re.fullmatch(WORD, name):
            keys, served = [], {}
            break
        kind, blob, comment = found.groups()
        line = f"{kind} {blob} {(comment or '').strip() or name}"
        keys.append({"name": name, "openssh_key": line})
        served[path] = f"{line}\n".encode()
    capture.instance["public_keys"] = keys
    capture.served.update(served)
    managed: dict[str, Any] = {}
    certificate = capture.texts.get(f"{_SSH}signer-cert")
    if certificate:
        managed["signer_cert"] = certificate
        capture.served[f"{_SSH}signer-cert"] = certificate.encode()
    for user, text in capture.below(f"{_SSH}active-keys/").items():
        if re.fullmatch(WORD, user) and all(re.fullmatch(LINE, line) for line in text.split("\n")):
            managed.setdefault("active_keys", {})[user] = text.split("\n")
            capture.served[f"{_SSH}active-keys/{user}"] = text.encode()
    for fingerprint, text in capture.below(f"{_SSH}signer-ocsp/").items():
        if re.fullmatch(WORD, fingerprint):
            managed.setdefault("signer_ocsp", {})[fingerprint] = text
            capture.served[f"{_SSH}signer-ocsp/{fingerprint}"] = text.encode()
    if managed:
        capture.instance["managed_ssh_keys"] = managed


def read_tags(capture: Reproduction) -> None:
    """Set the tags."""
    if not any(path.startswith("meta-data/tags/") for path in capture.walked.leaves):
        return
    tags = {key: text for key, text in capture.below(_TAGS).items() if re.fullmatch(_TAG_KEY, key)}
    capture.options["instance_metadata_tags"] = "enabled"
    capture.instance["tags"] = tags
    capture.served.update({_TAGS + key: text.encode() for key, text in tags.items()})


def read_user_data(capture: Reproduction) -> None:
    """Set the user data, if it was captured."""
    answer = capture.walked.leaves.get("user-data")
    if answer is None or not 0 < len(answer.body) <= _MAX_USER_DATA_BYTES:
        return
    text = answer.text
    capture.instance["user_data"] = {"base64": base64.b64encode(answer.body).decode()} if text is None else text
    capture.served["user-data"] = answer.body
