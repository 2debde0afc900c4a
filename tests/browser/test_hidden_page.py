"""A hidden page costs the mock nothing: no view sends a request while the browser does not show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from support.browser import PageMock

HIDE = """() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
SHOWN = {"metadata": "meta-data/", "drive": "every caller, ", "status": "Memory"}


@pytest.mark.parametrize("view", SHOWN)
def test_a_hidden_view_asks_nothing(page: Page, mock: PageMock, view: str) -> None:
    page.clock.install()
    page.goto(mock.url(view))
    page.clock.run_for(2_000)
    expect(page.get_by_text(SHOWN[view]).first).to_be_visible()
    page.evaluate(HIDE)
    page.clock.run_for(2_000)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate(HIDE.replace("true, conf", "false, conf"))
    with page.expect_request("**/v1/**"):
        page.clock.run_for(6_000)
