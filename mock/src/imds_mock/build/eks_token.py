"""The token that EKS's Pod Identity agent takes: the configured one, or what a file holds when somebody asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imds_mock.errors import MockError
from imds_mock.log import say as say_to_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.containers import EksSettings


class TokenFileError(MockError):
    """The file with the token cannot be read; nobody gets credentials then."""


def eks_token(settings: EksSettings, say: Callable[[str], None] = say_to_log) -> Callable[[], str | None]:
    """Where the token comes from.

    Args:
        settings: The configuration's section.
        say: Takes a sentence for the log.

    Returns:
        A function that gives the token, None where any is taken; it raises `TokenFileError`, and says once why.
    """
    if settings.token_file is None:
        return lambda: settings.token
    path = Path(settings.token_file)
    said = ""

    def read() -> str:
        nonlocal said
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            failure = TokenFileError(f"eks.token_file: {path} cannot be read: {reason}")
            if str(failure) != said:
                said = str(failure)
                say(said)
            raise failure from error
        said = ""
        return token

    return read
