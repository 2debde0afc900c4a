"""The errors of `imds-mock host`, with their exit codes.

MockError
└── HostError                  71 the kernel, or a program that configures it, failed
    ├── OptionsError           64 the options conflict
    ├── MissingProgramError    69 a required program is missing, or the system is neither Linux nor macOS
    ├── RealServiceError       70 another metadata service has the address
    └── NotRootError           77 only root may change the network
"""

from __future__ import annotations

from imds_mock.errors import EX_NOPERM, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE, MockError


class HostError(MockError):
    """A command failed; the completed ones have been undone."""


class OptionsError(HostError):
    """The options conflict."""

    exit_code = EX_USAGE


class MissingProgramError(HostError):
    """A required program is missing."""

    exit_code = EX_UNAVAILABLE


class RealServiceError(HostError):
    """The machine has a real metadata service."""

    exit_code = EX_SOFTWARE


class NotRootError(HostError):
    """The user may not change the network."""

    exit_code = EX_NOPERM
