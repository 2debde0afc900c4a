"""What can go wrong with the machine's own network.

MockError
└── HostError                  71 the kernel, or a program that speaks to it, refused
    ├── WayError               64 what was asked for does not go together
    ├── MissingProgramError    69 a program that is needed is not installed, or this is no system that is known
    ├── SomebodyAnswersError   70 another metadata service has the address
    └── NotRootError           77 only root may change the network
"""

from __future__ import annotations

from imds_mock.errors import EX_NOPERM, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE, MockError


class HostError(MockError):
    """The network could not be changed; what had been done is taken back."""


class WayError(HostError):
    """The options do not go together."""

    exit_code = EX_USAGE


class MissingProgramError(HostError):
    """What would carry it out is not there."""

    exit_code = EX_UNAVAILABLE


class SomebodyAnswersError(HostError):
    """The machine has a metadata service already."""

    exit_code = EX_SOFTWARE


class NotRootError(HostError):
    """Asked for by a user who may not."""

    exit_code = EX_NOPERM
