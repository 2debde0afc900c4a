"""What clients of the mock can send is text on the page, and the API's access rules hold for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from support.browser import CRON, WEB, WORKER_1, Asked

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from support.browser import PageMock, Watch

MARKUP = "<img src=x onerror=hacked=1><script>hacked=1</script>"
QUOTES = "\"'><svg onload=hacked=1>"
TOKEN = "a-long-enough-token"  # noqa: S105 - made up
VIEWS = ("Timeline", "Callers", "Metadata", "Drive", "Status")


def test_hostile_paths_user_agents_and_names_are_text(page: Page, mock: PageMock) -> None:
    mock.network.names |= {WEB: f"{MARKUP}.net", CRON: f"{QUOTES}.net"}
    mock.remember([
        Asked(9, WEB, f"/latest/{MARKUP}", 1, 404, agent=MARKUP), Asked(8, CRON, f"/latest/{QUOTES}", agent=QUOTES),
        Asked(7, WORKER_1, "/latest/\u202emoc.elpmaxe", agent="\u202eresworb"), Asked(6, WEB, "/latest/" + "x" * 1000),
    ])  # fmt: skip
    mock.call("POST", "/v1/faults", {"kind": "status", "path": f"*{MARKUP}*", "target": MARKUP})
    mock.call("PUT", "/v1/metadata/meta-data/own", {"value": MARKUP})
    page.goto(mock.url("timeline"))
    expect(page.locator(".tl-name", has_text=MARKUP)).to_be_visible()
    page.locator("summary", has_text="as a table").click()
    rows = page.locator(".tl-table tbody tr")
    expect(rows).to_have_count(4)
    expect(page.locator(".tl-table")).to_contain_text(f"/latest/{MARKUP}")
    for row in range(4):
        rows.nth(row).get_by_role("button").click()
    expect(page.get_by_role("region", name="Request", exact=True)).to_contain_text(MARKUP)
    for name in VIEWS:
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_attached()
        if name == "Callers":
            expect(page.get_by_role("article").filter(has_text=QUOTES)).to_be_visible()
        assert page.locator("main img, main script, main svg[onload]").count() == 0
        assert page.evaluate("typeof hacked") == "undefined"


def test_characters_that_reorder_text_are_escaped(page: Page, mock: PageMock) -> None:
    mock.remember([Asked(6, WORKER_1, "/latest/\u202emoc.elpmaxe", agent="\u202eresworb")])
    mock.call("POST", "/v1/events", {"kind": "spot", "target": "\u202elive"})
    page.goto(mock.url("timeline"))
    expect(page.locator('[data-id="spot-1"]')).to_contain_text("spot-1 · \\u202elive · matches 0")
    page.locator("summary", has_text="as a table").click()
    page.locator(".tl-table tbody tr").get_by_role("button").click()
    expect(page.get_by_role("region", name="Request", exact=True)).to_contain_text("GET /latest/\\u202emoc.elpmaxe")
    for name in VIEWS:
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_attached()
        assert "\u202e" not in page.locator("main").inner_text()


def test_the_policy_stops_what_would_run_nevertheless(page: Page, mock: PageMock, watch: Watch) -> None:
    watch.allowed += ["Content Security Policy", "404 (Not Found)"]
    page.goto(mock.url())
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked=1\">')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'hacked=1'}))")
    page.wait_for_function("document.querySelector('body > script').isConnected")
    assert page.evaluate("typeof hacked") == "undefined"
    assert any("Content Security Policy" in each for each in watch.messages)


@pytest.mark.parametrize("document", [{"control": {"token": TOKEN, "trust_gateway": False}}])
def test_a_login_box_asks_for_the_token(
    page: Page, mock: PageMock, document: dict[str, Any], watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert document["control"]["token"] == TOKEN
    watch.allowed.append("403 (Forbidden)")  # the console shows every refused request
    # A client on another machine; loopback needs no token.
    monkeypatch.setattr("imds_mock.control.access._is_loopback", lambda _address: False)
    mock.get("/latest/meta-data/instance-id")
    page.goto(mock.url("timeline"))
    box = page.get_by_role("dialog", name="Log in")
    field = box.get_by_label("Token")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    field.fill("a-copied\u2026token")
    page.keyboard.press("Enter")
    expect(box.get_by_role("alert")).to_contain_text("characters other than ASCII")
    field.fill("a-wrong-token")
    page.keyboard.press("Enter")
    expect(box.get_by_role("alert")).to_have_text("The mock rejected this token.")
    expect(page.locator(".tl-name")).to_have_count(0)
    field.fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator(".tl-name", has_text="shop-worker-1")).to_be_visible()
    assert TOKEN not in page.url
    # The browser keeps it for this tab.
    page.reload()
    expect(page.locator(".tl-name", has_text="shop-worker-1")).to_be_visible()
    expect(box).to_have_count(0)


def test_the_page_reconnects_after_the_mock_has_started_again(page: Page, mock: PageMock, watch: Watch) -> None:
    watch.allowed += ["net::ERR_"]
    mock.get("/latest/meta-data/instance-id", WORKER_1)
    page.goto(mock.url("timeline"))
    expect(page.locator(".tl-name", has_text="shop-worker-1")).to_be_visible()
    mock.stop()
    notice = page.get_by_text("The mock does not answer. This page reconnects")
    expect(notice).to_be_visible()
    page.get_by_role("link", name="Drive", exact=True).click()
    expect(page.locator(".match")).to_have_text("The mock does not answer.")
    page.get_by_role("link", name="Timeline", exact=True).click()
    mock.start()
    expect(notice).to_be_hidden()
    # The new mock has another journal, which begins with number 1 again.
    expect(page.locator(".tl-name", has_text="shop-worker-1")).to_have_count(0)
    mock.get("/latest/meta-data/instance-id", WEB)
    expect(page.locator(".tl-name", has_text="shop-web-1")).to_be_visible()
    mock.call("POST", "/v1/events", {"kind": "spot"})
    expect(page.locator('[data-id="spot-1"]')).to_contain_text("terminate in")
