"""What the drop-in refuses, each with one sentence; the exit codes are AEMM's."""

from __future__ import annotations

from imds_mock.errors import MockError


class UsageError(MockError):
    """A flag, variable or key has a value that cannot be; the sentence names it."""

    exit_code = 2


class ConfigFileError(MockError):
    """The config file cannot be read or understood."""

    exit_code = 1
