"""What the shim announces to the mock about its container: the header of its probe.

`KEY NAME FACTS`: name and facts are in base64 (URL-safe, without padding), `-` if there are none. The mock reads and
checks them. Each start has a key of its own, also if it has nothing to announce: the first announcement of a container
holds, so its application cannot announce another one.
"""

from __future__ import annotations

import os
from binascii import b2a_base64
from typing import TYPE_CHECKING

from imds_shim.frozen_record import FrozenRecord

if TYPE_CHECKING:
    from imds_shim.config import ShimConfig

HEADER = "X-Imds-Mock-Announcement"
_CHECK_ONLY = "check"
_KEY_BYTES = 16
_NOTHING = "-"


class Announcement(FrozenRecord):
    """An announcement; `instance` is the text of `MOCK_INSTANCE`."""

    key: str
    name: str | None = None
    instance: str | None = None

    def header(self) -> str:
        """Return the value of the header."""
        return f"{self.key} {_encoded(self.name)} {_encoded(self.instance)}"


def announcement_of(config: ShimConfig) -> Announcement:
    """Return the announcement of one start; the doctor's is only checked."""
    key = _CHECK_ONLY if config.action == "doctor" else os.urandom(_KEY_BYTES).hex()
    return Announcement(key, config.instance_name, config.instance)


def _encoded(text: str | None) -> str:
    if text is None:
        return _NOTHING
    return b2a_base64(text.encode(), newline=False).decode().translate({43: "-", 47: "_"}).rstrip("=")
