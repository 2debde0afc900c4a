"""A command as a child process: its start, the signals that are forwarded to it, and the end of its process group.

With a terminal in the foreground, the command stays in this process group, so that it can read the terminal and is part
of the shell's job: Ctrl-C and Ctrl-Z reach it directly. Otherwise it gets its own group, which ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from imds_mock.errors import MockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FORWARDED: Final = frozenset(
    {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
)
"""The signals that the command gets in place of this process."""

STOP_SECONDS: Final = 5.0
"""Time between SIGTERM and SIGKILL."""

_POLL_SECONDS: Final = 0.02
_FROM_KERNEL: Final = 0x80  # SI_KERNEL: the terminal has sent it to the whole process group
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


class CommandNotFoundError(MockError):
    """The command does not exist."""

    exit_code = 127


class CommandNotExecutableError(MockError):
    """The command exists but cannot be executed."""

    exit_code = 126


def block_signals() -> set[signal.Signals]:
    """Keep the forwarded signals for `read_signals`; call it before any thread starts.

    Returns:
        The signals that were blocked before, for the command.
    """
    return {signal.Signals(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)}


def read_signals(receive: Callable[[int, bool], object]) -> None:
    """Pass on each forwarded signal from a thread, until `receive` raises RuntimeError.

    Args:
        receive: Called in that thread with the number of the signal, and whether the terminal has sent it.
    """

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            while True:
                receive(*_next_signal())

    threading.Thread(target=read, name="signals", daemon=True).start()


class ChildProcess:
    """A running command with this process's standard streams.

    Args:
        command: Program and arguments.
        environ: Its environment.
        blocked: The signals to block in it.

    Attributes:
        exit_code: Its exit code, 128 + N after signal N; None while it runs.

    Raises:
        CommandNotFoundError: The program does not exist.
        CommandNotExecutableError: The program cannot be executed.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], blocked: Iterable[int]) -> None:
        self.exit_code: int | None = None
        self._has_own_group = not _is_in_foreground()
        group: dict[str, Any] = {"setpgroup": 0} if self._has_own_group else {}
        try:
            if not command[0]:
                raise FileNotFoundError
            self._pid = os.posix_spawnp(
                command[0], list(command), environ, setsigmask=blocked, setsigdef=_IGNORED_BY_PYTHON, **group
            )
        except OSError as error:
            raise _start_error(command[0], error) from error

    async def wait(self) -> None:
        """Wait until it ends."""
        _, status = await asyncio.to_thread(os.waitpid, self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.exit_code = code if code >= 0 else 128 - code

    def forward(self, number: int, *, is_from_terminal: bool) -> None:
        """Send it a signal that this process got, unless the terminal has sent the signal to both.

        Args:
            number: The signal.
            is_from_terminal: Whether the terminal has sent it.
        """
        if self.exit_code is None and (self._has_own_group or not is_from_terminal):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    async def stop(self, ended: asyncio.Task[None]) -> None:
        """Stop it with SIGTERM, or with SIGKILL after `STOP_SECONDS`.

        Args:
            ended: The task that runs `wait`.
        """
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.forward(number, is_from_terminal=False)
            done, _ = await asyncio.wait({ended}, timeout=STOP_SECONDS)
            if done:
                return

    async def end_group(self) -> None:
        """Stop what it has left running in its own process group, with SIGKILL after `STOP_SECONDS`."""
        if not self._has_own_group or not self._signal_group(signal.SIGTERM):
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STOP_SECONDS
        while loop.time() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            self._reap_group()
            if not self._signal_group(0):
                return
        self._signal_group(signal.SIGKILL)

    def _reap_group(self) -> None:
        """Reap the orphans of the command that this process has inherited as process 1 of a container."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self._pid, os.WNOHANG)[0]:
                pass

    def _signal_group(self, number: int) -> bool:
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            return False
        return True


def _next_signal() -> tuple[int, bool]:
    if sys.platform == "darwin":  # has no sigwaitinfo
        number = signal.sigwait(FORWARDED)
        return number, number in {signal.SIGINT, signal.SIGQUIT}
    found = signal.sigwaitinfo(FORWARDED)
    return found.si_signo, found.si_code == _FROM_KERNEL


def _is_in_foreground() -> bool:
    """Whether this process has a terminal and is in its foreground process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _start_error(name: str, error: OSError) -> MockError:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        reason = "it is not executable" if isinstance(error, PermissionError) else error.strerror
        return CommandNotExecutableError(f"cannot run {name!r}: {reason}; make it executable or choose another command")
    if shutil.which(name):
        return CommandNotFoundError(f"cannot run {name!r}: its interpreter does not exist; correct its first line")
    place = "the file does not exist" if "/" in name else "no folder in PATH contains it"
    return CommandNotFoundError(f"cannot run {name!r}: {place}; check the name or install it")
