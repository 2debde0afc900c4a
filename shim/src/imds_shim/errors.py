"""Everything that can end a start: one tree, each error carries its exit code and a sentence that says what to do.

    ShimError
    |-- UsageError                  64  no command, or an option that does not exist
    |-- ResolveError                68  MOCK_HOSTNAME has no usable address
    |-- MockUnreachableError        69  nothing answers there as an IMDS
    |-- WrongMockError              70  169.254.169.254 does not lead to this mock
    |-- KernelRefusedError          71  the kernel cannot do what was asked of it
    |-- PrivilegeError              77  a capability is missing
    |-- ConfigError                 78  a setting is wrong
    `-- CommandError
        |-- CommandNotExecutableError   126
        `-- CommandNotFoundError        127
    Interrupted                     128 + signal number

The numbers up to 78 are those of sysexits.h where it has a fitting one, 126, 127 and 128+n are what a shell answers.
"""

from __future__ import annotations

from typing import ClassVar


class ShimError(Exception):
    """A start that cannot go on; `str()` of it is the one sentence for the user."""

    exit_code: ClassVar[int] = 1


class UsageError(ShimError):
    """The command line makes no sense."""

    exit_code = 64


class ResolveError(ShimError):
    """The mock's name has no address that could be used."""

    exit_code = 68


class MockUnreachableError(ShimError):
    """No address of the mock answers as an IMDS does."""

    exit_code = 69


class WrongMockError(ShimError):
    """What answers at 169.254.169.254 is not the mock, or nothing answers there: `what` happens, and a `cure`."""

    exit_code = 70

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}; {cure}")
        self.what = what
        self.cure = cure


class KernelRefusedError(ShimError):
    """The kernel lacks what is needed, or refused it for a reason other than privilege."""

    exit_code = 71


class PrivilegeError(ShimError):
    """A privilege is missing.

    Args:
        what: which one, and for what.
        how: to get it, where something can be done.
        missing: names of the capabilities that would help.
    """

    exit_code = 77

    def __init__(self, what: str, how: str = "", missing: tuple[str, ...] = ()) -> None:
        super().__init__(f"{what}: {how}." if how else f"{what}.")
        self.what = what
        self.missing = missing


class ConfigError(ShimError):
    """One or more settings are wrong; all of them are named."""

    exit_code = 78


class CommandError(ShimError):
    """The command itself cannot be started."""


class CommandNotExecutableError(CommandError):
    """The command exists and cannot be executed."""

    exit_code = 126


class CommandNotFoundError(CommandError):
    """The command does not exist."""

    exit_code = 127


class Interrupted(BaseException):
    """SIGTERM or SIGINT arrived while the shim was still at work.

    Not an `Exception`, so that no library between the signal and `cli` takes it for a failure of its own.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
