"""A child process that the application's `wait` calls never return, for work that continues after the hand-off.

An ordinary child of the process that becomes the application would make the application's `waitpid(-1)` hang forever.
A child created by clone(2) with exit signal 0 is returned only with `__WALL` or `__WCLONE`; for other calls it does not
exist (ECHILD).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import select
from typing import TYPE_CHECKING, NoReturn

from imds_shim.errors import KernelRefusedError
from imds_shim.frozen_record import FrozenRecord
from imds_shim.without_enums import signal

if TYPE_CHECKING:
    from collections.abc import Callable

SYS_CLONE = {"x86_64": 56, "aarch64": 220}
WALL = 0x40000000  # __WALL, include/uapi/linux/wait.h
PR_SET_NAME = 15
STANDARD_DESCRIPTORS = (0, 1, 2)
# Sent by terminals and programs to whole process groups, and not meant for this process.
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)


class HiddenProcess(FrozenRecord):
    """The child process."""

    pid: int

    def kill(self) -> None:
        """Kill the child and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, WALL)


def start(name: str, main: Callable[[Callable[[float], bool]], None]) -> HiddenProcess:
    """Start a child that runs `main` and ends after it, or when this process ends (also after exec).

    Args:
        name: the process name in `ps`, at most 15 characters.
        main: takes a function that waits for a number of seconds and returns False once the parent has ended.

    Raises:
        KernelRefusedError: the process cannot be created.
    """
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = _clone()
        if pid == 0:
            _run_child(name, parent, main)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return HiddenProcess(pid)


def _clone() -> int:
    """Call fork(2) with exit signal 0, and CPython's fork hooks before and after."""
    number = SYS_CLONE.get(os.uname().machine)
    if number is None:
        raise KernelRefusedError(f"MOCK_FOLLOW=1 is not available on {os.uname().machine}.")
    python = ctypes.pythonapi
    # PyDLL holds the GIL during the call, because the child has only this thread to release it.
    libc = ctypes.PyDLL(None, use_errno=True)
    python.PyOS_BeforeFork()
    pid = int(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(0),) * 5))
    code = ctypes.get_errno()
    (python.PyOS_AfterFork_Child if pid == 0 else python.PyOS_AfterFork_Parent)()
    if pid < 0:
        raise KernelRefusedError(f"the process for MOCK_FOLLOW=1 cannot be created: {os.strerror(code)}.")
    return pid


def _run_child(name: str, parent: int, main: Callable[[Callable[[float], bool]], None]) -> NoReturn:
    status = 1
    try:
        for number in signal.valid_signals():
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN if number in IGNORED else signal.SIG_DFL)
        os.setsid()
        os.chdir("/")
        _close_descriptors(keep_stderr=parent == 1)
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        main(_wait_function(parent))
        status = 0
    finally:
        os._exit(status)


def _close_descriptors(*, keep_stderr: bool) -> None:
    """Close the application's descriptors, so that readers of its output see end of file when the application ends.

    Standard error stays open only if the parent is PID 1, because then every process ends with the parent. The shim's
    own descriptors are recognized by close-on-exec and stay open.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in STANDARD_DESCRIPTORS[: 2 if keep_stderr else 3]:
        os.dup2(nothing, descriptor, inheritable=False)
    if nothing not in STANDARD_DESCRIPTORS:
        os.close(nothing)
    for entry in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - pathlib would stay in memory
        if entry in STANDARD_DESCRIPTORS:
            continue
        try:
            inherited = not fcntl.fcntl(entry, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            continue  # the descriptor that listed the directory
        if inherited:
            os.close(entry)


def _wait_function(parent: int) -> Callable[[float], bool]:
    """Return a function that waits up to a number of seconds and returns whether `parent` still runs."""
    waiter = select.poll()
    # Without pidfd_open (kernels before 5.3, strict seccomp profiles), the end is noticed only after the wait.
    with contextlib.suppress(OSError):
        waiter.register(os.pidfd_open(parent), select.POLLIN)

    def wait(seconds: float) -> bool:
        ended = waiter.poll(int(seconds * 1000))
        return not ended and os.getppid() == parent

    return wait
