"""The errors that end a start. Each has an exit code and a message that tells the user what to do.

    ShimError
    |-- UsageError                  64  no command, or an unknown option
    |-- ResolveError                68  MOCK_HOSTNAME has no usable address
    |-- MockUnreachableError        69  no IMDS answers at the mock's addresses
    |-- WrongMockError              70  169.254.169.254 does not reach the mock
    |-- KernelRefusedError          71  the kernel lacks a feature or refused a change
    |-- OutputError                 74  standard output cannot be written
    |   `-- OutputClosedError      141  its reader has gone; nothing is printed
    |-- PrivilegeError              77  a capability is missing
    |-- ConfigError                 78  a setting is invalid
    `-- CommandError
        |-- CommandNotExecutableError   126
        `-- CommandNotFoundError        127
    Interrupted                     128 + signal number

Codes up to 78 follow sysexits.h where it has a fitting one; 126, 127 and 128+n are those of a shell.
"""

from __future__ import annotations

from typing import ClassVar


class ShimError(Exception):
    """A failed start; `str()` is the message for the user."""

    exit_code: ClassVar[int] = 1


class UsageError(ShimError):
    """The command line is invalid."""

    exit_code = 64


class ResolveError(ShimError):
    """The mock's name has no usable address."""

    exit_code = 68


class MockUnreachableError(ShimError):
    """No address of the mock answers as an IMDS."""

    exit_code = 69


class WrongMockError(ShimError):
    """Another server, or none, answers at 169.254.169.254.

    Args:
        problem: what happens.
        advice: what to do.
    """

    exit_code = 70

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}; {advice}")
        self.problem = problem
        self.advice = advice


class KernelRefusedError(ShimError):
    """The kernel lacks a feature, or refused a change for a reason other than a missing privilege."""

    exit_code = 71


class OutputError(ShimError):
    """Standard output cannot be written."""

    exit_code = 74


class OutputClosedError(OutputError):
    """The reader of standard output has gone; the exit code is that of a program that SIGPIPE has ended."""

    exit_code = 128 + 13


class PrivilegeError(ShimError):
    """A privilege is missing.

    Args:
        problem: what is missing, and what needs it.
        advice: how to grant it, if that is possible.
        missing: names of the missing capabilities.
    """

    exit_code = 77

    def __init__(self, problem: str, advice: str = "", missing: tuple[str, ...] = ()) -> None:
        super().__init__(f"{problem}. {advice}." if advice else f"{problem}.")
        self.problem = problem
        self.advice = advice
        self.missing = missing


class ConfigError(ShimError):
    """One or more settings are invalid; the message lists all of them."""

    exit_code = 78


class CommandError(ShimError):
    """The command cannot be started."""


class CommandNotExecutableError(CommandError):
    """The command exists but cannot be executed."""

    exit_code = 126


class CommandNotFoundError(CommandError):
    """The command does not exist."""

    exit_code = 127


class Interrupted(BaseException):
    """SIGTERM or SIGINT arrived before the command was started.

    It is not an `Exception`, so that no library on the way to `cli` handles it as a failure of its own.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
