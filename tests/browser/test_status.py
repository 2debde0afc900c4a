"""The view "Status": load, configuration with its sources, and the API to read."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.browser import CRON, take_pictures, violations

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from browser_install import Browser
    from support.browser import PageMock

HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def status(page: Page, mock: PageMock) -> Page:
    # The numbers are those of the last 10 s, which the page may take to open.
    stopped = time.time()
    mock.clock = lambda: stopped
    token = mock.token()
    for _ in range(3):
        mock.get("/latest/meta-data/instance-id", token=token)
    mock.get("/latest/meta-data/instance-id", CRON)
    page.goto(mock.url("status"))
    expect(number(page, "Memory")).to_contain_text("MiB")
    return page


def number(page: Page, name: str) -> Locator:
    return page.locator("dl.numbers > div", has=page.get_by_text(name, exact=True)).locator("dd")


def test_the_load_is_shown_in_numbers(status: Page) -> None:
    expect(number(status, "Requests/s")).to_have_text("0.5")
    expect(number(status, "IMDSv1 share")).to_have_text("20 %")
    expect(number(status, "Tokens issued")).to_have_text("1")
    expect(number(status, "p99 duration")).to_have_text(re.compile(r"^[\d.]+ (µs|ms)$"))
    expect(status.get_by_text("5 requests")).to_be_visible()


def test_settings_have_their_source_and_a_change_is_reverted(status: Page, mock: PageMock) -> None:
    settings = status.get_by_role("region", name="Settings")
    expect(settings.get_by_role("row", name="identity")).to_contain_text("per-container")
    mock.call("POST", "/v1/config", {"instance.region": "eu-west-1"})
    status.reload()
    row = settings.get_by_role("row", name="instance.region")
    expect(row).to_contain_text("control plane")
    row.get_by_role("button", name="Revert instance.region").click()
    expect(row).to_be_hidden()
    assert mock.call("GET", "/v1/config/instance/region")["value"] is None
    status.get_by_label("Search").fill("image_id")
    expect(settings.get_by_role("row", name="instance.image_id")).to_contain_text("default")


def test_the_api_can_be_read(status: Page) -> None:
    operation = status.locator("details.operation", has=status.get_by_text("Arm an event", exact=True))
    operation.locator("> summary").click()
    expect(operation).to_contain_text("One of:")
    operation.get_by_text("spot", exact=True).click()
    row = operation.get_by_role("row", name="action").first
    expect(row).to_contain_text('"hibernate" or "stop" or "terminate"')
    expect(row).to_contain_text("What EC2 does to the instance.")
    expect(operation).to_contain_text("The request contradicts the current state")


def test_every_operation_can_be_opened(status: Page) -> None:
    operations = status.locator("details.operation")
    expect(operations).not_to_have_count(0)
    count = operations.count()
    assert count > 40
    texts = operations.evaluate_all(
        "async (all) => { for (const each of all) each.open = true; await new Promise(requestAnimationFrame);"
        " await new Promise((done) => setTimeout(done)); return all.map((each) => each.innerText); }"
    )
    assert all("Responses" in text for text in texts)
    assert not [text for text in texts if "undefined" in text or "[object" in text]


def test_markup_in_a_setting_is_text(status: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/config", {"instance.tags": {"Name": HOSTILE}})
    status.reload()
    expect(status.get_by_role("row", name="instance.tags")).to_contain_text(HOSTILE)
    assert status.locator("main img").count() == 0
    expect(status).to_have_title("Status · imds-mock")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(status: Page, mock: PageMock, installed: Browser, scheme: str) -> None:
    status.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    mock.call("POST", "/v1/config", {"instance.region": "eu-west-1"})
    status.reload()
    status.get_by_label("Show defaults").check()
    operation = status.locator("details.operation", has=status.get_by_text("Arm an event", exact=True))
    operation.locator("> summary").click()
    operation.get_by_text("spot", exact=True).click()
    expect(status.get_by_role("button", name="Revert instance.region")).to_be_visible()
    assert violations(status, installed) == []


def test_pictures(status: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/config", {"instance.region": "eu-west-1"})
    status.reload()
    expect(status.get_by_role("button", name="Revert instance.region")).to_be_visible()
    operation = status.locator("details.operation", has=status.get_by_text("Arm a fault", exact=True))
    operation.locator("> summary").click()
    operation.get_by_text("status", exact=True).click()
    take_pictures(status, "status-api")
    status.evaluate("scrollTo(0, 0)")
    take_pictures(status, "status")
