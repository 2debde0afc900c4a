"""The hand-off: the process becomes the application, as if the container had started it directly.

Signals that the shim handles get their default action again; ignored ones stay ignored. Everything else that exec keeps
is unchanged: signal mask, working directory, umask, limits, descriptors (exec closes all that CPython has opened) and
the environment, which is passed on as the raw entries that the shim received.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NoReturn

from imds_shim import c_library
from imds_shim.errors import CommandNotExecutableError, CommandNotFoundError
from imds_shim.exec import accounts, privileges
from imds_shim.exec.signals import IGNORED_BY_CPYTHON
from imds_shim.frozen_record import FrozenRecord
from imds_shim.without_enums import signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.errors import CommandError
    from imds_shim.exec.privileges import Identity, Plan

DEFAULT_PATH = b"/bin:/usr/bin"  # execvp(3), when the environment has no PATH
KEEP_SEARCHING = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT, errno.EACCES}


class _Failure(FrozenRecord):
    """Why the command was not executed, found as the application's user."""

    kind: type[CommandError]
    reason: str
    is_misnamed: bool = False

    def error(self) -> CommandError:
        """The error with its advice."""
        if not self.is_misnamed:
            return self.kind(f"the command {self.reason}.")
        # Not while privileges are dropped: that user may be unable to read the shim's modules.
        from imds_shim.surroundings import here

        return self.kind(f"the command {self.reason}; {here().check_command}.")


def plan(config: ShimConfig, now: Identity | None = None, user: str | None = None) -> Plan:
    """Plan which privileges to drop; `now` defaults to this process and `user` to MOCK_USER.

    Raises:
        ConfigError: the user does not exist.
        PrivilegeError: a privilege cannot be dropped.
    """
    user = user or config.user
    return privileges.plan(
        now or privileges.Identity.current(),
        None if user is None else accounts.look_up(user),
        keep_caps=config.keep_caps,
        drop_caps=config.drop_caps,
        no_new_privs=config.no_new_privs,
    )


def hand_off(command: Sequence[bytes], environ: Sequence[bytes], planned: Plan) -> NoReturn:
    """Drop privileges and execute `command`; returns only by raising.

    Args:
        command: the program and its arguments; a name without a slash is looked up in the PATH of `environ`.
        environ: raw entries, usually `NAME=value`, passed on in order, byte for byte, with duplicates.
        planned: the privileges to drop.

    Raises:
        PrivilegeError: the kernel refused a step of the plan.
        CommandNotFoundError, CommandNotExecutableError: the command did not run; the shim can still undo its changes.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    handlers = _handlers()
    ending_the_shim = handlers.keys() - {*IGNORED_BY_CPYTHON} - mask
    if signal.SIGALRM in handlers and signal.getitimer(signal.ITIMER_REAL)[0]:
        # An interrupt is to be raised again (see `signals`). Its timer would outlive exec and end the command.
        signal.sigwait({signal.SIGALRM})
        signal.raise_signal(signal.SIGALRM)
    c_library.load()
    failure = None
    try:
        try:
            privileges.apply(planned)
            if not signal.sigpending() & ending_the_shim:
                # From here on a signal acts as on an application that has not installed its handlers yet.
                for number in handlers:
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                failure = _execute(command, environ)
        finally:
            # Before any import, because the application's user may be unable to read the shim's modules.
            privileges.restore(planned)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        # The handler of a signal that arrived meanwhile runs now, and raises.
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if failure is None:
        raise AssertionError("a pending signal whose handler does not raise")  # pragma: no cover
    raise failure.error()


def _handlers() -> dict[int, Callable[..., object]]:
    """Return the Python handlers, which must not stay installed for the application."""
    return {number: handler for number in signal.valid_signals() if callable(handler := signal.getsignal(number))}


def _execute(command: Sequence[bytes], environ: Sequence[bytes]) -> _Failure:
    """Execute the command; returns only if that fails."""
    code, found = errno.ENOENT, b""
    for candidate in _candidates(command[0], environ):
        reason = c_library.execve(candidate, command, environ)
        if reason not in KEEP_SEARCHING or (reason == errno.ENOENT and os.path.lexists(candidate)):
            return _failure(command[0], candidate, reason)
        # A PATH directory that this user may not search fails with EACCES for every name.
        if reason == errno.EACCES and (b"/" in command[0] or os.path.lexists(candidate)):
            code, found = reason, candidate
    return _failure(command[0], found, code)


def _candidates(name: bytes, environ: Sequence[bytes]) -> Iterator[bytes]:
    if b"/" in name:
        yield name
    elif name:
        for directory in _path(environ).split(b":"):
            yield b"/".join((directory or b".", name))


def _path(environ: Sequence[bytes]) -> bytes:
    return next((entry[len(b"PATH=") :] for entry in environ if entry.startswith(b"PATH=")), DEFAULT_PATH)


def _failure(name: bytes, candidate: bytes, code: int) -> _Failure:
    shown = repr(os.fsdecode(candidate or name))
    if not name:
        return _Failure(CommandNotFoundError, "is empty", is_misnamed=True)
    if not candidate:
        where = "does not exist" if b"/" in name else "is not in PATH"
        return _Failure(CommandNotFoundError, f"{shown} {where}", is_misnamed=True)
    is_folder = code == errno.EACCES and os.path.isdir(candidate)  # noqa: PTH112 - pathlib takes no bytes
    reason = "is a directory" if is_folder else _why_not_executable(candidate, code)
    return _Failure(CommandNotExecutableError, f"{shown} {reason}", is_misnamed=is_folder)


def _why_not_executable(candidate: bytes, code: int) -> str:
    if code == errno.EACCES:
        return (
            f"is not executable for user {os.geteuid()}: add the x permission to the file and its directories, or run "
            "it as another user"
        )
    if code == errno.ENOENT:
        if not os.path.exists(candidate):  # noqa: PTH110 - pathlib takes no bytes
            return "is a symbolic link to a file that does not exist"
        return (
            "exists, but the interpreter or loader that it names does not: check the path in its first line, that the "
            "line does not end as on Windows (CR LF), or which C library the program needs"
        )
    if code == errno.ENOEXEC:
        return "is neither a program for this machine nor a script that begins with #!"
    return f"cannot be executed: {os.strerror(code)}"
