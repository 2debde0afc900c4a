"""A child process that its parent's `wait` calls never see, for what must outlive the hand-off.

An ordinary child of the process that becomes the application would make the application's `waitpid(-1)` hang for ever.
A child made by clone(2) with exit signal 0 is waited for only with `__WALL` or `__WCLONE`: for everyone else it is not
there (ECHILD).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import select
import signal
from typing import TYPE_CHECKING, NoReturn

from imds_shim.errors import KernelRefusedError
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

SYS_CLONE = {"x86_64": 56, "aarch64": 220}
WALL = 0x40000000  # __WALL, include/uapi/linux/wait.h
PR_SET_NAME = 15
STANDARD = (0, 1, 2)
# What a terminal or a program sends to whole groups of processes, and is not meant for this one.
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)


class HiddenProcess(Record):
    """The child, as its parent knows it."""

    pid: int

    def end(self) -> None:
        """Kill it and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, WALL)


def start(name: str, main: Callable[[Callable[[float], bool]], None]) -> HiddenProcess:
    """Start a child that runs `main` and ends with it, or with this process (through exec, too).

    Args:
        name: what `ps` shows, at most 15 characters.
        main: is given a function that waits so many seconds and returns False once the parent has ended.

    Raises:
        KernelRefusedError: no process could be made.
    """
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = _clone()
        if pid == 0:
            _be_the_child(name, parent, main)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return HiddenProcess(pid)


def _clone() -> int:
    """fork(2) with exit signal 0; CPython is told before and after, as by its own fork."""
    number = SYS_CLONE.get(os.uname().machine)
    if number is None:
        raise KernelRefusedError(f"MOCK_FOLLOW=1 is not available on {os.uname().machine}.")
    python = ctypes.pythonapi
    # PyDLL keeps the interpreter's lock over the call: the child has only this thread to release it.
    libc = ctypes.PyDLL(None, use_errno=True)
    python.PyOS_BeforeFork()
    pid = int(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(0),) * 5))
    code = ctypes.get_errno()
    (python.PyOS_AfterFork_Child if pid == 0 else python.PyOS_AfterFork_Parent)()
    if pid < 0:
        raise KernelRefusedError(f"no process for MOCK_FOLLOW=1 could be made: {os.strerror(code)}.")
    return pid


def _be_the_child(name: str, parent: int, main: Callable[[Callable[[float], bool]], None]) -> NoReturn:
    status = 1
    try:
        for number in signal.Signals:
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN if number in IGNORED else signal.SIG_DFL)
        os.setsid()
        os.chdir("/")
        _let_go_of_descriptors(keep_stderr=parent == 1)
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        main(_until_end_of(parent))
        status = 0
    finally:
        os._exit(status)


def _let_go_of_descriptors(*, keep_stderr: bool) -> None:
    """Close what the application has: who reads its output must see the end of it when the application ends.

    Standard error is kept only below PIDs 1, with which everything in the container ends anyway. What this program has
    opened itself is close-on-exec, and so told apart.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in STANDARD[: 2 if keep_stderr else 3]:
        os.dup2(nothing, descriptor, inheritable=False)
    if nothing not in STANDARD:
        os.close(nothing)
    for entry in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - pathlib would stay in memory for good
        if entry in STANDARD:
            continue
        try:
            inherited = not fcntl.fcntl(entry, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            continue  # the one that listed the directory
        if inherited:
            os.close(entry)


def _until_end_of(parent: int) -> Callable[[float], bool]:
    """A function that waits, at most so many seconds, and says whether `parent` is still there."""
    waiter = select.poll()
    # Not on a kernel before 5.3 or under a strict seccomp profile: the end is then noticed at the end of a wait.
    with contextlib.suppress(OSError):
        waiter.register(os.pidfd_open(parent), select.POLLIN)

    def wait(seconds: float) -> bool:
        ended = waiter.poll(int(seconds * 1000))
        return not ended and os.getppid() == parent

    return wait
