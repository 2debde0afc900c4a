"""What can be wrong with what is asked of an override.

MockError
├── WiringError        64 a service or a way of which no override can be made
└── ComposeFileError   65 the compose file cannot be read, or does not fit
"""

from __future__ import annotations

from imds_mock.errors import EX_DATAERR, EX_USAGE, MockError


class WiringError(MockError):
    """Asked for in the command line."""

    exit_code = EX_USAGE


class ComposeFileError(MockError):
    """Found in the compose file."""

    exit_code = EX_DATAERR
