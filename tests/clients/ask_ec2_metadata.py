"""The library ec2-metadata: every public property of the instance, its interfaces, its tags and its keys."""

from __future__ import annotations

import json
from functools import cached_property

from ec2_metadata import EC2Metadata, NetworkInterface, PublicKey, SpotInstanceAction, ec2_metadata


def properties(thing: object) -> dict[str, object]:
    """Every public property of an object, by name."""
    kind = type(thing)
    names = [name for name in dir(kind) if isinstance(getattr(kind, name), property | cached_property)]
    return {name: plain(getattr(thing, name)) for name in names}


def plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, SpotInstanceAction):
        return {"action": value.action, "time": value.time.isoformat()}
    if isinstance(value, EC2Metadata | NetworkInterface | PublicKey):
        return properties(value)
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "items"):
        return {key: plain(inner) for key, inner in value.items()}
    return value


print(json.dumps(properties(ec2_metadata)))
