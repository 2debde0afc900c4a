"""The token that the EKS Pod Identity agent accepts: the configured one, or the content of a file at each request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from imds_mock.bounded_files import read_bytes
from imds_mock.errors import MockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.containers import EksSettings

_MOST_BYTES: Final = 65_536


class TokenFileError(MockError):
    """The file with the token cannot be read, so no caller gets credentials."""


def eks_token(settings: EksSettings, log: Callable[[str], None]) -> Callable[[], str | None]:
    """The way to get the token.

    Args:
        settings: The configuration's section.
        log: Receives the reason of an error once.

    Returns:
        A function that returns the token, or None if any token is accepted; it raises `TokenFileError`.
    """
    if settings.token_file is None:
        return lambda: settings.token
    path = Path(settings.token_file)
    logged = ""

    def read() -> str:
        nonlocal logged
        try:
            # A request waits for it, so only a regular file will do.
            token = read_bytes(path, _MOST_BYTES, is_regular=True).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            failure = TokenFileError(f"eks.token_file: {path} cannot be read: {reason}")
            if str(failure) != logged:
                logged = str(failure)
                log(logged)
            raise failure from error
        logged = ""
        return token

    return read
