"""What curl gets in a network namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netlab import Namespace

_STATUS = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60")


def status(space: Namespace, url: str, *options: str) -> str:
    """The HTTP status of a URL; 000 for no answer."""
    return space.run([*_STATUS, *options, url], check=False).stdout
