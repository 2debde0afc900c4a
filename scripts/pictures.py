"""Renew the pictures of the pages in docs/pictures, in light and dark.

A recording of a terminal and screenshots of the mock's page come from one real run: a spot interruption of one service
of a Compose project (`picture_scene`). The diagrams of the ways in come from a table (`diagrams`).
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import browser_install
from diagrams import PALETTES, WAYS, diagram
from picture_scene import PROGRAMS, ROOT, Scene
from terminal_recording import THEMES, record, svg

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect

    from terminal_recording import Recorded

FOLDER = ROOT / "docs" / "pictures"
WIDTH, MARGIN = 1280, 12
BEFORE_SECONDS, AFTER_SECONDS = 14, 8
COMMANDS = (
    "imds-mock ctl spot interrupt --target worker",
    "imds-mock ctl wait spot-seen --by worker",
    "imds-mock ctl events",
    "imds-mock ctl requests --limit 10",
    "imds-mock ctl assert --no-imdsv1",
)


def main() -> int:
    """Renew all pictures; returns the exit code."""
    FOLDER.mkdir(exist_ok=True)
    for name, palette in PALETTES.items():
        for way, shown in WAYS.items():
            (FOLDER / f"way-{way}-{name}.svg").write_text(diagram(shown, palette))
    with tempfile.TemporaryDirectory() as folder, Scene(Path(folder)) as scene:
        time.sleep(BEFORE_SECONDS)
        recorded = record_commands(scene)
        for name, theme in THEMES.items():
            (FOLDER / f"terminal-{name}.svg").write_text(svg(recorded, "a spot interruption", theme))
        time.sleep(AFTER_SECONDS)
        take_screenshots(scene, Path(folder))
    return 0


def record_commands(scene: Scene) -> list[Recorded]:
    """Interrupt the service and look at what happens, in a terminal."""
    return [record(command, str(PROGRAMS / "imds-mock"), scene.environment) for command in COMMANDS]


def take_screenshots(scene: Scene, folder: Path) -> None:
    """Take pictures of the page with a browser in the mock's namespace, whose loopback has the control plane."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a test records the commands without it

    chromium = folder / "chromium"
    chromium.write_text(
        f'#!/bin/sh\nexec {shlex.join(scene.mock.command([browser_install.install().chromium]))} "$@"\n'
    )
    chromium.chmod(0o755)
    # Chromium's sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for name in THEMES:
            page = browser.new_page(viewport={"width": WIDTH, "height": 760})
            page.emulate_media(color_scheme="dark" if name == "dark" else "light")
            page.goto("http://127.0.0.1:1339/ui/")
            page.get_by_role("combobox", name="Length of the view").select_option(label="1 min")
            seen = page.get_by_role("region", name="Who has seen the notice")
            seen.get_by_text("shop-worker-2").wait_for()
            timeline = page.get_by_role("application")
            timeline.focus()
            for key in ("ArrowLeft", "ArrowDown", "ArrowDown", "ArrowDown", "End"):
                timeline.press(key)
            timeline.blur()
            page.get_by_text("0.0 requests/s").wait_for(state="hidden")
            # The view without the closed table below it.
            card = seen.bounding_box()
            height = 760 if card is None else card["y"] + card["height"] + MARGIN
            clip: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": height}
            page.screenshot(path=FOLDER / f"timeline-{name}.png", clip=clip)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
