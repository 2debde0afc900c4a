"""A new kind of event or fault appears on the page by itself, with its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.mockprogram import RunningProgram, running_program
from support.new_kinds import copy_with_new_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    sources = copy_with_new_kinds(tmp_path_factory.mktemp("src"))
    options = ["--access-log", "off", "--set", "control.port=0"]
    with running_program(tmp_path_factory.mktemp("run"), options, PYTHONPATH=str(sources)) as running:
        running.await_line("control plane on unix:")
        yield running


def test_new_kinds_appear_with_their_parameters(browser: Browser, program: RunningProgram) -> None:
    port = next(line.rpartition(":")[2] for line in program.lines if "control plane on unix:" in line)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{port}/ui/#/drive")
    page.get_by_role("button", name="Announce an eclipse").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("How much of the sun is hidden.")
    dialog.get_by_label("phase").select_option("partial")
    dialog.get_by_label("warning").fill("soon")
    dialog.get_by_role("button", name="Announce an eclipse").click()
    expect(dialog).to_contain_text("expected a duration such as 30s, 2m, 1h30m or 250ms, got 'soon'")
    dialog.get_by_label("warning").fill("5m")
    dialog.get_by_role("button", name="Announce an eclipse").click()
    expect(page.get_by_role("article", name="eclipse-1")).to_contain_text("phase partial")
    page.get_by_role("button", name="Repeat the body of the response").click()
    dialog.get_by_role("button", name="Repeat the body of the response").click()
    expect(dialog.get_by_label("times")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("times").fill("3")
    dialog.get_by_role("button", name="Repeat the body of the response").click()
    expect(page.get_by_role("article", name="echo-1")).to_contain_text("times 3")
    page.close()
