"""How fast an interpreter that only waits ends by a signal: the reference for the shim's own end on a busy machine."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.processes import seconds_to_its_end

if TYPE_CHECKING:
    import signal

LONGEST_RATIO = 5
"""The longest median time of the shim, as a multiple of the interpreter's."""

# Imports the shim's modules and one of its libraries, then waits for a packet.
PROGRAM = """
import signal, socket, sys
from imds_shim import cli, import_stubs
import_stubs.load(sys.argv[1])
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(0))
channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.bind(("127.0.0.1", 0))
print("waiting", flush=True)
channel.recv(1)
"""


def idle_interpreter_seconds(number: signal.Signals, library: str) -> float:
    """Return the seconds from the signal to the end of an idle interpreter with the shim's modules and this library."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, library], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        return seconds_to_its_end(process.pid, number)
