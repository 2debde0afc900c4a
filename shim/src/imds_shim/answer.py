"""What can be said about whoever answers at an address; `probe` finds it out."""

from __future__ import annotations

from typing import Literal

from .record import Record


class NoAnswerError(Exception):
    """No HTTP answer came; `str()` says what happened instead, as the end of a sentence that opens with the address."""


class Answer(Record):
    """What answered: `mock_id` only of an imds-mock, `said` in words for the user."""

    kind: Literal["mock", "imds", "other"]
    mock_id: str | None
    said: str
