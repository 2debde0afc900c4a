"""What can be said about whoever answers at an address; `probe` finds it out."""

from __future__ import annotations

from typing import Literal

from imds_shim.record import Record


class NoAnswerError(Exception):
    """No HTTP answer came; `str()` says what happened instead, as the end of a sentence that opens with the address."""


class Answer(Record):
    """What answered: `mock_id` only of an imds-mock, `said` in words for the user.

    `control` is the control port of an imds-mock, `other` any server that does not answer as an IMDS.
    """

    kind: Literal["mock", "imds", "control", "other"]
    mock_id: str | None
    said: str

    @property
    def is_imds(self) -> bool:
        """Whether the metadata service of an instance answered, this mock or another."""
        return self.kind in ("mock", "imds")
