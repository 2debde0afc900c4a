"""A copied address shows the same in another tab, and the back button leads to what was shown before."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from support.browser import CRON, WORKER_1, WORKER_2, Asked

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from support.browser import PageMock

LEAF = "/latest/meta-data/instance-id"
ROLE = "/latest/meta-data/iam/security-credentials/my-role"


def in_the_address(page: Page) -> dict[str, str]:
    """The parameters of the view in the page's address."""
    return dict(urllib.parse.parse_qsl(page.url.partition("?")[2]))


def has(name: str) -> re.Pattern[str]:
    return re.compile(rf"[?&]{name}=")


def test_the_choices_of_the_metadata_view(page: Page, context: BrowserContext, mock: PageMock) -> None:
    for source in (WORKER_1, CRON):
        mock.get(LEAF, source)
    page.goto(mock.url("metadata"))
    page.get_by_label("As seen by").fill("shop-worker-1")
    page.get_by_label("As seen by").press("Tab")
    page.get_by_label("Version").select_option("2021-07-15")
    page.get_by_label("Compare with").select_option("caller")
    page.get_by_label("Caller", exact=True).fill("legacy-cron")
    page.get_by_label("Caller", exact=True).press("Tab")
    page.get_by_label("Only differences").check()
    page.get_by_label("Search").fill("meta-data/instance-id")
    expect(page.locator('[data-path="meta-data/instance-id"]')).to_have_class("leaf differs")
    expect(page).to_have_url(has("search"))
    assert in_the_address(page) == {
        "caller": "shop-worker-1",
        "version": "2021-07-15",
        "search": "meta-data/instance-id",
        "compare": "caller",
        "with": "legacy-cron",
        "differences": "only",
    }

    other = context.new_page()
    other.goto(page.url)
    for label, value in (("As seen by", "shop-worker-1"), ("Version", "2021-07-15"), ("Compare with", "caller")):
        expect(other.get_by_label(label)).to_have_value(value)
    expect(other.get_by_label("Caller", exact=True)).to_have_value("legacy-cron")
    expect(other.get_by_label("Only differences")).to_be_checked()
    expect(other.locator(".leaf")).to_have_count(1)
    expect(other.locator('[data-path="meta-data/instance-id"]')).to_have_class("leaf differs")

    page.get_by_role("link", name="Callers", exact=True).click()
    expect(page).to_have_title("Callers · imds-mock")
    page.go_back()
    expect(page.get_by_label("Search")).to_have_value("meta-data/instance-id")


def test_the_request_and_the_span_of_the_timeline(page: Page, context: BrowserContext, mock: PageMock) -> None:
    mock.remember([Asked(40, WORKER_1, LEAF), Asked(30, WORKER_1, ROLE), Asked(20, WORKER_2, LEAF)])
    page.goto(mock.url("timeline"))
    chart = page.get_by_role("application")
    chart.press("Home")
    chart.press("Shift+ArrowRight")
    expect(page.locator(".tl-span")).to_contain_text("10.0 s from")
    expect(page.locator(".tl-span")).to_contain_text("2 requests by 1 caller")
    chart.press("Space")
    expect(page).to_have_url(has("view"))
    assert in_the_address(page)["request"] == "2"

    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("region", name="Request", exact=True)).to_contain_text(ROLE)
    expect(other.locator(".tl-span")).to_contain_text("2 requests by 1 caller")
    expect(other.get_by_role("button", name="Follow")).to_be_visible()
    other.get_by_role("application").press("z")
    expect(other.get_by_label("Length of the view").locator("option:checked")).to_have_text("10.0 s")
    expect(other.locator(".tl-span")).to_be_hidden()
    other.get_by_role("application").press("Escape")
    other.get_by_role("button", name="Follow").click()
    expect(other).to_have_url(mock.url("timeline"))


def test_the_target_and_the_settings(page: Page, context: BrowserContext, mock: PageMock) -> None:
    mock.get(LEAF, WORKER_1)
    page.goto(mock.url("callers"))
    page.get_by_role("button", name="Events and faults for shop-worker-1").click()
    expect(page).to_have_url(mock.url("drive?target=shop-worker-1"))
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("combobox", name="Target")).to_have_value("shop-worker-1")
    expect(other.get_by_text("matches 1 caller")).to_be_visible()
    other.get_by_role("link", name="Status", exact=True).click()
    other.get_by_label("Search").fill("image_id")
    expect(other).to_have_url(mock.url("status?search=image_id"))
    page.goto(other.url)
    expect(page.get_by_role("row", name="instance.image_id")).to_be_visible()
