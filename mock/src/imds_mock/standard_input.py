"""Standard input as text; one that is empty is an error that says so, because a container has none by default."""

from __future__ import annotations

import sys

from imds_mock.errors import EX_DATAERR, MockError


class EmptyInputError(MockError):
    """Standard input has nothing where a document was announced."""

    exit_code = EX_DATAERR


def read_input(advice: str = "with `docker run` or `docker compose run`, add --interactive") -> str:
    """Read standard input to its end.

    Args:
        advice: What to do about an empty one.

    Raises:
        EmptyInputError: It is closed, empty, or not UTF-8 text.
    """
    try:
        text = "" if sys.stdin is None else sys.stdin.read()
    except UnicodeDecodeError as error:
        raise EmptyInputError("standard input is not UTF-8 text") from error
    if not text.strip():
        raise EmptyInputError(f"standard input was empty; {advice}")
    return text
