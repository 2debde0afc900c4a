"""The page as a whole: its way in, its views, its policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from support.browser import violations, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from browser_install import Browser
    from support.browser import PageMock

VIEWS = ("Timeline", "Callers", "Metadata", "Drive", "Status")


def test_the_root_leads_to_the_timeline(page: Page, mock: PageMock) -> None:
    page.goto(mock.control_url)
    assert page.url == mock.url()
    expect(page).to_have_title("Timeline · imds-mock")
    expect(page.get_by_role("link", name="Timeline")).to_have_attribute("aria-current", "page")


def test_a_slow_connection_shows_that_the_page_is_loading(page: Page, mock: PageMock) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/main.js", hold)
    page.goto(mock.url(), wait_until="commit")
    expect(page.get_by_role("main")).to_have_text("Loading…")
    wait_until(lambda: page.evaluate("true") and len(held) == 1)
    held[0].continue_()
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)


def test_a_link_leads_to_each_view(page: Page, mock: PageMock) -> None:
    page.goto(mock.url())
    for name in VIEWS:
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page).to_have_title(f"{name} · imds-mock")
        expect(page.get_by_role("heading", level=1, name=name)).to_be_attached()


def test_a_page_that_is_hidden_or_closed_asks_nothing(page: Page, mock: PageMock) -> None:
    def followers() -> int:
        found: int = mock.call("GET", "/v1/status")["followers"]
        return found

    def hide(is_hidden: str) -> None:
        page.evaluate(f"Object.defineProperty(document, 'hidden', {{value: {is_hidden}, configurable: true}})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    page.clock.install()
    page.goto(mock.url())
    wait_until(lambda: followers() == 1)
    hide("true")
    wait_until(lambda: followers() == 0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(5000)  # five times as long as between two polls
    assert asked == []
    mock.get("/latest/meta-data/instance-id")
    hide("false")
    expect(page.locator(".tl-name", has_text="shop-worker-1")).to_be_visible()
    page.close()
    wait_until(lambda: followers() == 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_breaks_a_rule_of_accessibility(
    page: Page, mock: PageMock, installed: Browser, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(mock.url())
    for name in VIEWS:
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_attached()
        assert violations(page, installed) == []
