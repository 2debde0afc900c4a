"""The changes that the mock's own settings make to AEMM's data.

The configured instance is compared with AEMM's instance (`DEFAULT_CONFIG`). Each difference overrides AEMM's data, and
AEMM's own flags, variables and config file override it. Values become AEMM's keys, leaves that AEMM does not have are
added, and any setting in `credentials` replaces AEMM's credentials.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import field

from imds_mock.aemm import data
from imds_mock.aemm.data import DEFAULT_CONFIG
from imds_mock.config.settings import Config
from imds_mock.metadata.instance import derive
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imds_mock.aemm.values import Value
    from imds_mock.metadata.instance import Instance
    from imds_mock.metadata.tree import Leaf

_BASE: Final = msgspec.convert(DEFAULT_CONFIG, Config)
_ROLE_KEY: Final = "iam-security-credentials-role"
_CREDENTIALS: Final = "meta-data/iam/security-credentials/"
_ASSOCIATIONS: Final = "meta-data/network/interfaces/macs/{mac}/ipv4-associations/"
_DOCUMENT: Final = "instance-identity-document"
_CREDENTIALS_KEY: Final = "iam-security-credentials"
_ROLE_ROWS: Final = (_ROLE_KEY, _CREDENTIALS_KEY, "iam-info")
_OPTIONAL_LEAVES: Final = {
    "meta-data/system": "system",
    "meta-data/profile": "virtualization_profile",
    "meta-data/hibernation/configured": "hibernation_configured",
    "meta-data/managed-ssh-keys/signer-cert": "managed_ssh_keys",
}
"""Leaves of every instance that AEMM does not have, with the setting that adds them."""
_UNUSED_SECTIONS: Final = ("agents", "ecs", "eks", "signing")


class Changes(Record, frozen=True):
    """The differences between a configuration and AEMM's instance.

    Attributes:
        values: Values by AEMM's keys; an empty path removes a leaf.
        added: Leaves that AEMM does not have, by path below `/latest/`; `{mac}` is replaced by the MAC address.
        documents: Documents about the role that replace AEMM's, by the key of their row.
        lifecycle_state: Auto Scaling's target state; None keeps AEMM's.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    added: Mapping[str, Leaf] = field(default_factory=dict)
    documents: Mapping[str, Leaf] = field(default_factory=dict)
    lifecycle_state: Leaf | None = None


def find_changes(
    config: Config, started: float, derive_leaves: Callable[[Config, Instance], Mapping[str, Leaf]]
) -> Changes:
    """Compare a configuration with AEMM's instance.

    Args:
        config: A configuration with `compatibility: aemm`.
        started: Start of the mock in seconds since the epoch.
        derive_leaves: Returns the leaves derived from a configuration and its instance.

    Raises:
        SettingError: Settings contradict each other.
    """
    if (config.instance, config.credentials) == (_BASE.instance, _BASE.credentials):
        return Changes()
    native, base = (_InstanceLeaves.of(each, started, derive_leaves) for each in (config, _BASE))
    has_credentials = config.credentials != _BASE.credentials
    documents = {} if not has_credentials else {_CREDENTIALS_KEY: f"{_CREDENTIALS}{{{_ROLE_KEY}}}"}
    if config.credentials.failure is not None:
        documents["iam-info"] = "meta-data/iam/info"
    values = dict(_changed_values(native, base))
    if has_credentials and documents[_CREDENTIALS_KEY] not in native.leaves:
        values |= {f"metadata.paths.{key}": "" for key in (_ROLE_KEY, _CREDENTIALS_KEY)}
    return Changes(
        values,
        {path: leaf for path, leaf in native.leaves.items() if _is_added(path, native, base)},
        {key: native.leaves[path] for key, path in documents.items() if path in native.leaves},
        native.leaves.get("meta-data/autoscaling/target-lifecycle-state"),
    )


def unused_sections(config: Config) -> tuple[str, ...]:
    """The sections of a configuration with settings that have no effect with AEMM's data."""
    return tuple(name for name in _UNUSED_SECTIONS if getattr(config, name) != getattr(_BASE, name))


def _is_added(path: str, native: _InstanceLeaves, base: _InstanceLeaves) -> bool:
    if path in _AEMM_PATHS:
        return False
    setting = _OPTIONAL_LEAVES.get(path)
    if setting is not None:
        return bool(getattr(native.instance.settings, setting) != getattr(base.instance.settings, setting))
    return path not in base.leaves


class _InstanceLeaves(Record, frozen=True):
    """An instance and its leaves by path; paths contain names in braces instead of the values of AEMM's keys."""

    instance: Instance
    leaves: Mapping[str, Leaf]

    @classmethod
    def of(
        cls, config: Config, started: float, derive_leaves: Callable[[Config, Instance], Mapping[str, Leaf]]
    ) -> _InstanceLeaves:
        instance = derive(config.instance, started)
        named = {
            **{
                _ASSOCIATIONS + address: _ASSOCIATIONS + "{public-ipv4}"
                for address in instance.primary.public_ipv4s[:1]
            },
            f"{_CREDENTIALS}{instance.settings.role}": f"{_CREDENTIALS}{{{_ROLE_KEY}}}",
        }
        leaves = {}
        for path, leaf in derive_leaves(config, instance).items():
            general = path.replace(f"/macs/{instance.primary.mac}/", "/macs/{mac}/")
            leaves[named.get(general, general)] = leaf
        return cls(instance, leaves)

    def body(self, row: data.Row) -> bytes | None:
        """The body of a row's leaf, None where it is absent."""
        leaf = self.leaves.get(_native_path(row))
        if leaf is None or callable(leaf.body):
            return None
        if row.key == "mac-ipv4-associations":  # AEMM serves the public address again
            return self.instance.primary.public_ipv4s[0].encode()
        return leaf.body


def _changed_values(native: _InstanceLeaves, base: _InstanceLeaves) -> Iterator[tuple[str, Value]]:
    for row in data.ROWS:
        name = f"{row.section}.values.{row.key}"
        if row.value is None or row.key in _ROLE_ROWS:
            continue
        new, old = native.body(row), base.body(row)
        if new == old:
            continue
        if new is None:
            yield f"{row.section}.paths.{row.key}", ""
        elif row.key == _DOCUMENT:
            yield from _changed_members(name, json.loads(new), json.loads(old or b"{}"))
        else:
            yield name, base64.b64encode(new).decode() if row.section == "userdata" else new.decode().rstrip("\n")
    yield from _changed_role(native.instance, base.instance)


def _changed_role(native: Instance, base: Instance) -> Iterator[tuple[str, Value]]:
    new, old = native.instance_profile, base.instance_profile
    if new is None:
        yield from ((f"metadata.paths.{key}", "") for key in _ROLE_ROWS)
    elif old is not None:
        if new.role != old.role:
            yield f"metadata.values.{_ROLE_KEY}", new.role
        if new.arn != old.arn:
            yield "metadata.values.iam-info.instanceprofilearn", new.arn
        if new.id != old.id:
            yield "metadata.values.iam-info.instanceprofileid", new.id


def _changed_members(name: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for member, value in new.items():
        if value != old.get(member):
            yield f"{name}.{member}".lower(), tuple(value) if isinstance(value, list) else value


def _native_path(row: data.Row) -> str:
    return data.ROOTS[row.section].removeprefix("/latest/") + row.path


_AEMM_PATHS: Final = frozenset(map(_native_path, data.ROWS))
