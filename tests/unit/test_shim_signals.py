"""SIGTERM and SIGINT while the shim works, in separate processes."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from support.http_server import ScriptedHttpServer
from support.idle_interpreter import LONGEST_RATIO, idle_interpreter_seconds
from support.name_server import ScriptedNameServer
from support.processes import seconds_to_its_end

if TYPE_CHECKING:
    from pathlib import Path

PREAMBLE = """
import os, signal, sys
from imds_shim.errors import Interrupted
from imds_shim.exec.signals import Interrupts
interrupts = Interrupts()
interrupts.install()
"""


def run(program: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", before + PREAMBLE + program], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_interrupts_a_blocking_call(number: signal.Signals) -> None:
    done = run(f"""
try:
    os.kill(os.getpid(), {int(number)})
    signal.pause()
except Interrupted as interrupt:
    print(interrupt.exit_code)
""")
    assert done.stdout == f"{128 + number}\n"


def test_interrupted_is_not_an_exception() -> None:
    done = run("""
try:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except Exception:
        print("swallowed")
except Interrupted:
    print("through")
""")
    assert done.stdout == "through\n"


@pytest.mark.parametrize(
    "lose",
    [
        "class Lost:\n    def __del__(self): signal.raise_signal(signal.SIGTERM)\ndel (lost := [Lost()])[0]",
        "import weakref\nheld = {0}\nlost = weakref.ref(held, lambda _: signal.raise_signal(signal.SIGTERM))\ndel held",
    ],
)
def test_an_interrupt_in_a_destructor_or_callback_is_raised_again(lose: str) -> None:
    done = run(f"""
import select
try:
    exec({lose!r})
    select.select([], [], [], 10)
    print("lost")
except Interrupted as interrupt:
    print(interrupt.exit_code)
""")
    assert (done.stdout, done.stderr) == ("143\n", "")


def test_other_errors_in_a_destructor_are_printed() -> None:
    done = run("""
class Lost:
    def __del__(self): raise ValueError("of a library")
Lost()
""")
    assert "Exception ignored in" in done.stderr
    assert "of a library" in done.stderr


def test_signals_blocked_waits_for_the_end_of_the_block() -> None:
    done = run("""
from imds_shim.exec.signals import signals_blocked
try:
    with signals_blocked():
        os.kill(os.getpid(), signal.SIGTERM)
        print("step done")
    print("not reached")
except Interrupted as interrupt:
    print(interrupt.exit_code, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
""")
    assert done.stdout == "step done\n143 set()\n"


def test_deferred_waits_for_the_end_of_the_block() -> None:
    done = run("""
try:
    with interrupts.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        print("step done")
    print("not reached")
except Interrupted as interrupt:
    print(interrupt.exit_code)
""")
    assert done.stdout == "step done\n143\n"


def test_a_second_signal_does_not_interrupt_the_undo() -> None:
    done = run("""
try:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
except Interrupted:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    print("taken back")
""")
    assert done.stdout == "taken back\n"


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    done = run(
        """
os.kill(os.getpid(), signal.SIGINT)
print("went on")
""",
        before="import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
    )
    assert done.stdout == "went on\n"


WAITING = """
import sys
from imds_shim import cli
from imds_shim.kernel import RealNetwork
from imds_shim.network.resolve import Resolver
folder, port, *environ = sys.argv[1:]
resolver = Resolver(folder + "/hosts", folder + "/resolv.conf", int(port))
cli.RealNetwork = lambda announcement: RealNetwork(announcement, resolver)
sys.exit(cli.run([b"true"], [entry.encode() for entry in environ]))
"""


ROUNDS = 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("where", ["dns", "http"])
def test_a_signal_ends_the_shim_during_a_wait_as_fast_as_any_interpreter(
    number: signal.Signals, where: str, tmp_path: Path
) -> None:
    """In turn with an interpreter that does nothing else, because a busy machine slows both down."""
    asked = threading.Event()

    def hang(_request: object) -> None:
        asked.set()

    def hold_back(_query: object) -> tuple[bytes, ...]:
        asked.set()
        return ()

    with ScriptedNameServer({}) as names, ScriptedHttpServer(hang) as mock:
        names.silent = True
        names.before_udp = hold_back
        (tmp_path / "hosts").write_text("127.0.0.1 mock\n" if where == "http" else "")
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        command = [sys.executable, "-c", WAITING, str(tmp_path), str(names.port)]
        command += ["MOCK_HOSTNAME=mock", f"MOCK_PORT={mock.port}"]
        seconds, reference = [], []
        for _ in range(ROUNDS):
            reference.append(idle_interpreter_seconds(number, "httpx" if where == "http" else "dns.message"))
            asked.clear()
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
                assert process.stderr is not None
                assert asked.wait(60)
                seconds.append(seconds_to_its_end(process.pid, number))
                assert process.wait(60) == 128 + number
                log = process.stderr.read()
            assert log == f"imds-shim: ended by signal {int(number)} before the command was started\n"
    assert statistics.median(seconds) < LONGEST_RATIO * statistics.median(reference)
