"""Announcements as a shim sends them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote

from support.mockserver import head

if TYPE_CHECKING:
    from support.mockcontrol import DrivenMock
    from support.mockserver import Answer

KEY, OTHER_KEY = "0" * 32, "1" * 32


def announcement(instance: str | None = None, name: str | None = None, key: str = KEY) -> str:
    """The header of a probe that announces an instance and a name."""
    return " ".join([key, *("-" if text is None else _encoded(text) for text in (name, instance))])


def announce(
    mock: DrivenMock, instance: str | None = None, name: str | None = None, source: str = "127.0.0.1", key: str = KEY
) -> Answer:
    """Announce from an address."""
    value = announcement(instance, name, key)
    request = head("GET", "/", **{"X-Imds-Mock-Probe": "abc", "X-Imds-Mock-Announcement": value})
    return mock.ask(request, source)


def refusal_of(answer: Answer) -> str:
    """The sentence with which an announcement is refused."""
    assert answer.status == 400, answer
    assert answer["X-Imds-Mock-Id"]
    sentence = unquote(answer["X-Imds-Mock-Refusal"])
    assert answer.body.decode() == f"{sentence}\n"
    return sentence


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
