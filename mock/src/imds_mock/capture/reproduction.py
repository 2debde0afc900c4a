"""Settings under construction that reproduce a capture, and the leaves that the mock serves with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imds_mock.capture.walk import Walked

UNKNOWN: Any = object()
"""Stands for a body that the mock derives from other settings; it equals no captured body."""


class Reproduction:
    """Settings that reproduce a capture, as far as settings can.

    Attributes:
        walked: The capture.
        texts: Path to text of its leaves.
        instance: The section `instance`.
        options: The section `metadata_options`.
        credentials: The section `credentials`.
        served: Path to the body that the mock serves with these settings; None if it generates the body, and `UNKNOWN`.
    """

    def __init__(self, walked: Walked) -> None:
        self.walked = walked
        self.texts = walked.texts
        self.instance: dict[str, Any] = {}
        self.options: dict[str, Any] = {"http_tokens": "required" if walked.requires_tokens else "optional"}
        self.credentials: dict[str, Any] = {}
        self.served: dict[str, Any] = {}

    def set(self, setting: str, value: Any, path: str, text: str) -> None:
        """Set a setting of the instance that makes the mock serve a text at a path."""
        self.instance[setting] = value
        self.served[path] = text.encode()

    def below(self, prefix: str) -> dict[str, str]:
        """The texts of the leaves below a prefix, by the rest of their path."""
        return {path[len(prefix) :]: text for path, text in self.texts.items() if path.startswith(prefix)}
