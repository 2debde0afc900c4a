"""Requests per second while the page is open in a browser, relative to none.

Rounds alternate. Browser, load and mock share the machine's processors, so the limit is for the processor time of the
mock for each request, the least of all rounds: that is what the page costs the data plane.

Usage: page.py [--seconds S] [--rounds N] [--connections C]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

import mockprocess
from server import Effort, Load, Server, wrk

_SCRIPTS: Final = Path(__file__).parents[1] / "scripts"

MAX_LOSS: Final = 0.03
SETTLING_MILLISECONDS: Final = 2000


def main() -> int:
    """Measure and print; the exit code is 1 if the limit is exceeded."""
    sys.path.append(str(_SCRIPTS))
    import browser_install  # noqa: PLC0415 - of another folder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("not measured: wrk missing; apt-get install wrk")
        return 1
    control_port = mockprocess.free_port()
    options = ("--control", "on", "--control-port", str(control_port))
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    effort = Effort(arguments.seconds, 1)
    load = Load("v1 leaf", 0, (), mockprocess.LEAF)
    rates: list[float] = []
    without: list[float] = []
    with_page: list[float] = []
    with (
        tempfile.TemporaryDirectory() as name,
        mockprocess.running(Path(name) / "mock.log", *options) as mock,
        sync_playwright() as playwright,
    ):
        server = Server(mock.port, mock.cpu_seconds)
        chromium = playwright.chromium.launch(executable_path=browser_install.install().chromium, args=sandbox)
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        print(f"{'round':>6}{'none 1/s':>10}{'page 1/s':>10}{'ratio':>7}{'none us':>9}{'page us':>9}{'ratio':>7}")
        for number in range(1, arguments.rounds + 1):
            page.goto("about:blank")
            quiet = wrk(load, arguments.connections, effort, server)
            page.goto(f"http://127.0.0.1:{control_port}/ui/")
            page.locator(".tl-name").first.wait_for()
            page.wait_for_timeout(SETTLING_MILLISECONDS)  # it loads the journal once
            seen = wrk(load, arguments.connections, effort, server)
            rates.append(seen.rate / quiet.rate)
            without.append(quiet.cpu)
            with_page.append(seen.cpu)
            print(
                f"{number:>6}{quiet.rate:>10.0f}{seen.rate:>10.0f}{rates[-1]:>7.3f}"
                f"{quiet.cpu:>9.2f}{seen.cpu:>9.2f}{quiet.cpu / seen.cpu:>7.3f}",
                flush=True,
            )
        chromium.close()
    rate, cost = statistics.median(rates), min(without) / min(with_page)
    print(f"requests/s with a page: {rate:.3f} of those without; by the mock's processor time: {cost:.3f}")
    return 0 if cost >= 1 - MAX_LOSS else 1


if __name__ == "__main__":
    sys.exit(main())
