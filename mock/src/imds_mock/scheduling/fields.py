"""A value that somebody gave under a name and that cannot be accepted."""

from __future__ import annotations


class FieldError(ValueError):
    """Names the field and says what it should look like.

    Args:
        field: Name of the field, as it is written on the wire.
        sentence: What is wrong and how to write it.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field
        self.sentence = sentence
