"""The command's ignored, blocked and pending signals are those from the start of the shim, despite CPython."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BECOME_CAT = """
import signal, sys
ignored, blocked, pending = [[signal.Signals[name] for name in word.split()] for word in sys.argv[1:]]
from imds_shim.exec import handoff
from imds_shim.exec import privileges
from imds_shim.exec.signals import Interrupts
signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
for number in pending:
    signal.raise_signal(number)
Interrupts().install(ignored)
planned = privileges.plan(privileges.Identity.current(), None, keep_caps=True)
handoff.hand_off([b"/bin/cat", b"/proc/self/status"], [], planned)
"""


def masks(*, ignored: str = "", blocked: str = "", pending: str = "") -> dict[str, set[signal.Signals]]:
    words = [sys.executable, "-c", BECOME_CAT, ignored, blocked, pending]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    fields = dict(line.split(":", 1) for line in done.stdout.splitlines())
    listed = [number for number in signal.Signals if number < signal.SIGRTMIN]
    return {
        name: {number for number in listed if int(fields[name], 16) >> (number - 1) & 1}
        for name in ("SigIgn", "SigBlk", "SigCgt", "ShdPnd", "SigPnd")
    }


@pytest.mark.parametrize("ignored", ["", "SIGPIPE", "SIGXFSZ", "SIGPIPE SIGXFSZ"])
def test_only_signals_that_were_ignored_are_ignored(ignored: str) -> None:
    found = masks(ignored=ignored)
    assert found["SigIgn"] == {signal.Signals[name] for name in ignored.split()}
    assert found["SigCgt"] == found["SigBlk"] == set()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGPIPE", "SIGUSR1"])
def test_a_blocked_and_pending_signal_stays_pending(name: str) -> None:
    found = masks(blocked=name, pending=name)
    assert found["SigBlk"] == found["ShdPnd"] | found["SigPnd"] == {signal.Signals[name]}


def test_a_closed_pipe_does_not_end_the_shim() -> None:
    """As with the ignored signal, writing fails with an error."""
    program = """
import os
from imds_shim.exec.signals import Interrupts
Interrupts().install()
reader, writer = os.pipe()
os.close(reader)
try:
    os.write(writer, b"x")
except BrokenPipeError:
    print("went on")
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"went on\n"


def test_an_interrupt_that_is_to_be_raised_again_precedes_the_command() -> None:
    """The timer that raises it would outlive exec and end the command by another signal."""
    program = """
import signal
from imds_shim.errors import Interrupted
from imds_shim.exec import handoff, privileges, signals
signals._RERAISE_DELAY_SECONDS = 0.2
class Lost:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
planned = privileges.plan(privileges.Identity.current(), None, keep_caps=True)
signals.Interrupts().install()
try:
    Lost()
    handoff.hand_off([b"/bin/sleep", b"10"], [], planned)
except Interrupted as interrupt:
    print(interrupt.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "143\n", "")
