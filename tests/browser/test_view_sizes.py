"""The views Metadata, Drive and Status fit every width, with long values and open forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from support.browser import PICTURES

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from support.browser import PageMock

LONG: Final = "a-very-long-value-without-a-place-to-break-it-" * 12
WIDTHS: Final = (360, 768, 1440, 3840)


@pytest.fixture
def full(page: Page, mock: PageMock) -> Page:
    mock.get("/latest/meta-data/instance-id")
    mock.call("PUT", f"/v1/metadata/meta-data/{LONG[:200]}", {"value": LONG})
    mock.call("POST", "/v1/config", {"instance.tags": {"Name": LONG[:200]}})
    mock.call("POST", "/v1/faults", {"kind": "status", "target": LONG[:60], "path": f"*/{LONG[:200]}"})
    mock.call("POST", "/v1/events", {"kind": "maintenance", "description": LONG, "target": LONG[:250]})
    return page


def overflow(page: Page) -> int:
    """Pixels that the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_view_is_wider_than_the_window(full: Page, mock: PageMock, width: int) -> None:
    full.set_viewport_size({"width": width, "height": 900})
    full.goto(mock.url("metadata"))
    found = full.locator(f'[data-path="meta-data/{LONG[:200]}"]')
    found.locator("summary").click()
    full.get_by_label("Compare with").select_option("start")
    expect(found).to_have_class("leaf differs")
    assert overflow(full) <= 0
    found.get_by_role("button", name="Edit").click()
    assert overflow(full) <= 0
    full.keyboard.press("Escape")
    full.get_by_role("navigation").get_by_role("link", name="Drive").click()
    expect(full.get_by_role("article", name="status-1")).to_be_visible()
    assert overflow(full) <= 0
    full.get_by_role("button", name="Respond with an error").click()
    dialog = full.get_by_role("dialog")
    expect(dialog).to_contain_text("retry_after")
    assert dialog.evaluate("element => element.scrollWidth - element.clientWidth") == 0
    full.keyboard.press("Escape")
    full.get_by_role("navigation").get_by_role("link", name="Status").click()
    expect(full.get_by_role("row", name="instance.tags")).to_be_visible()
    operation = full.locator("details.operation", has=full.get_by_text("Arm a fault", exact=True))
    operation.locator("> summary").click()
    assert overflow(full) <= 0
    full.screenshot(path=PICTURES / f"status-{width}.png")
