"""Entry point inside the relocatable tree, where the launcher calls it as `TREE/lib/boot.py ARGS...`.

The launcher puts one byte `=` in front of every environment entry, so that neither the tree's loader nor its C library
or interpreter takes LD_PRELOAD, LOCPATH, PYTHONPATH and their like, which are meant for the application, for its own.
It is taken off again here, and the application gets the entries as they were: order, duplicates, bytes that are no
UTF-8 and entries without `=` included.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imds_shim.interrupts import Interrupts

MARK = b"="


def unmarked(entries: list[bytes]) -> list[bytes]:
    """Take the launcher's mark off; an entry without it was not there when the launcher ran."""
    return [entry[len(MARK) :] for entry in entries if entry.startswith(MARK)]


def main() -> int:
    """Find the tree by this file's own place, then be the ordinary program."""
    gc.disable()  # nothing that is loaded here becomes garbage before exec
    tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib costs 3 ms
    sys.path.append(f"{tree}/lib/site-packages")
    # In this process only: libxtables finds its extensions by it, the application gets the environment as received.
    os.putenv("XTABLES_LIBDIR", f"{tree}/lib/xtables")

    from imds_shim.errors import Interrupted  # noqa: PLC0415 - found only by the path set above
    from imds_shim.interrupts import Interrupts  # noqa: PLC0415 - likewise

    interrupts = Interrupts()
    try:
        # Before all that takes time: as PID 1 this process would not even notice a signal that it does not catch.
        interrupts.install()
        return _run(interrupts)
    except Interrupted as interrupt:
        return interrupt.exit_code


def _run(interrupts: Interrupts) -> int:
    from imds_shim import lean  # noqa: PLC0415 - see main

    lean.load("dataclasses")
    from imds_shim.cli import run  # noqa: PLC0415 - after what it would load otherwise
    from imds_shim.process import raw_arguments, raw_environ  # noqa: PLC0415 - likewise

    return run(raw_arguments(), unmarked(raw_environ()), interrupts)


if __name__ == "__main__":
    sys.exit(main())
