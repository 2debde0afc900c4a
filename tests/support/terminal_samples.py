"""What `imds-mock ctl` prints in a terminal, one file in tests/golden/ctl for each command and width.

Run this file to renew them: `PYTHONPATH=tests .venv/bin/python tests/support/terminal_samples.py`.
"""

from __future__ import annotations

import os

from support.paths import IMDS_MOCK, ROOT
from support.prepared_control_plane import prepared_control_plane
from support.pseudo_terminal import run_in_terminal

FOLDER = ROOT / "tests" / "golden" / "ctl"
WIDTHS = (80, 120, 200)
COMMANDS = {
    "requests": "requests",
    "requests-utc": "requests --utc",
    "requests-follow": "requests --follow",
    "events": "events",
    "events-utc": "events list --utc",
    "faults": "fault list",
    "callers": "callers",
    "notices": "notices",
    "get": "get",
    "status": "status",
}
"""The name of the file and the words after `imds-mock ctl`."""


def printed(url: str, words: str, width: int, **environment: str) -> str:
    """What a command prints in a terminal.

    Args:
        url: Address of the control plane.
        words: The words after `imds-mock ctl`.
        width: Columns of the terminal.
        environment: Further environment variables.
    """
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", **environment}
    code, output = run_in_terminal([IMDS_MOCK, "ctl", *words.split(), "--url", url], environment, width)
    assert code == 0, output
    return output


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    with prepared_control_plane() as url:
        for name, words in COMMANDS.items():
            for width in WIDTHS:
                (FOLDER / f"{name}-{width}.txt").write_text(printed(url, words, width, NO_COLOR="1"))
            (FOLDER / f"{name}-120-color.txt").write_text(printed(url, words, 120))


if __name__ == "__main__":
    main()
