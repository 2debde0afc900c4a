"""What the page in a browser costs the data plane, relative to a blank page in the same browser.

The mock has a processor of its own, and Chromium and the load generator share the others; Chromium runs at a lower
priority. What the page costs the data plane is processor time of the mock, so the limit applies to that.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from functools import partial
from typing import TYPE_CHECKING, Final

import browser_install
import cores
import mockprocess
from control import cost
from installing import InstallError
from outcomes import NotMeasuredError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from effort import Effort
    from outcomes import Outcomes

_SETTLING_MILLISECONDS: Final = 2000
_NICENESS: Final = 10


def measure(effort: Effort, folder: Path) -> Outcomes:
    """Measure with one mock and one browser.

    Raises:
        NotMeasuredError: Chromium cannot be installed.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the tests of the tables do without it

    try:
        chromium = browser_install.install().chromium
    except InstallError as error:
        raise NotMeasuredError(f"Chromium is missing, and {error}") from error
    polite = folder / "chromium"
    polite.write_text(f'#!/bin/sh\nexec nice -n {_NICENESS} {shlex.quote(str(chromium))} "$@"\n')
    polite.chmod(0o755)
    port = mockprocess.free_port()
    options = ("--control", "on", "--control-port", str(port))
    # Chromium's sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with (
        mockprocess.running(folder / "mock.log", *options) as mock,
        cores.on(cores.LOAD),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=polite, args=arguments)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        shown = partial(_open, page, f"http://127.0.0.1:{port}/ui/")
        yield from cost("page", effort, mock.server, shown)
        browser.close()


@contextlib.contextmanager
def _open(page: Page, address: str) -> Iterator[None]:
    """Show the mock's page until the block ends."""
    page.goto(address)
    page.locator(".tl-name").first.wait_for()
    page.wait_for_timeout(_SETTLING_MILLISECONDS)  # it loads the journal once
    yield
    # It has followed the requests.
    page.get_by_text("0.0 requests/s").wait_for(state="hidden")
    page.goto("about:blank")
