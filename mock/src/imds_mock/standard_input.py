"""Standard input as text. Empty input is an error, because containers have no standard input by default."""

from __future__ import annotations

import sys

from imds_mock.errors import EX_DATAERR, MockError


class EmptyInputError(MockError):
    """Standard input is empty."""

    exit_code = EX_DATAERR


def read_input(advice: str = "with `docker run` or `docker compose run`, add --interactive") -> str:
    """Read standard input to its end.

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
