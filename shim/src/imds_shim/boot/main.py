"""The entry point inside the relocatable tree, called by `archive`.

The launcher puts one byte, `=`, in front of every environment entry, so that variables like LD_PRELOAD, LOCPATH and
PYTHONPATH, which are meant for the application, do not affect the tree's loader, C library or interpreter. This module
removes the byte, so the application gets its entries unchanged: order, duplicates, bytes that are not UTF-8 and entries
without `=` included. An entry without the byte is the launcher's own: it names the signals that the launcher has
blocked, so that none is lost before a handler is installed.
"""

from __future__ import annotations

import os
import sys

from imds_shim.errors import Interrupted
from imds_shim.exec.signals import Interrupts
from imds_shim.without_enums import signal

MARK = b"="
BLOCKED = b"IMDS_SHIM_BLOCKED="


def remove_marks(entries: list[bytes]) -> list[bytes]:
    """Return the application's entries without the launcher's mark; entries without a mark are the launcher's."""
    return [entry[len(MARK) :] for entry in entries if entry.startswith(MARK)]


def main(tree: str, arguments: list[bytes], environ: list[bytes], ignored: list[int]) -> int:
    """Run the program; see `archive.run` for the arguments. Returns the exit code."""
    sys.path.append(f"{tree}/lib/site-packages")
    # libxtables finds its extensions by this variable; it is set in this process only, not for the application.
    os.putenv("XTABLES_LIBDIR", f"{tree}/lib/xtables")
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)

    interrupts = Interrupts()
    try:
        # Before any slow step, because the kernel drops a signal to PID 1 that has no handler.
        interrupts.install(ignored)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _blocked_by_launcher(environ))
        return _run(arguments, remove_marks(environ), interrupts)
    except Interrupted as interrupt:
        return interrupt.exit_code


def _blocked_by_launcher(environ: list[bytes]) -> list[int]:
    names = (name for entry in environ if entry.startswith(BLOCKED) for name in entry[len(BLOCKED) :].split())
    return [getattr(signal, f"SIG{name.decode()}") for name in names]


def _run(arguments: list[bytes], environ: list[bytes], interrupts: Interrupts) -> int:
    from imds_shim.cli import run

    return run(arguments, environ, interrupts)
