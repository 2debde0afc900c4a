"""The view "Callers": each caller's identity, requests and clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from support.browser import CRON, WORKER_1, WORKER_2, Asked, violations

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser_install import Browser
    from support.browser import PageMock

LEAF = "/latest/meta-data/instance-id"


def test_a_card_shows_what_a_caller_is_and_how_it_asks(page: Page, mock: PageMock) -> None:
    mock.remember([
        *(Asked(100 - n, WORKER_1, LEAF) for n in range(3)),
        Asked(90, WORKER_1, LEAF, 1, agent="curl/7.88.1"),
    ])  # fmt: skip
    [shown] = mock.call("GET", "/v1/callers")
    page.goto(mock.url("callers"))
    card = page.get_by_role("article", name="shop-worker-1")
    for text in ("worker", "127.0.0.2", "shop_default", shown["instance_id"], "4 requests", "25 % IMDSv1"):
        expect(card).to_contain_text(text)
    expect(card.get_by_role("listitem")).to_have_text(["boto3 1.40.2 · 3", "curl 7.88.1 · 1"])
    facts = card.locator("dl")
    for value in (shown["role"], shown["region"], shown["mac"], shown["local_ipv4"], shown["http_tokens"]):
        expect(facts).to_contain_text(value)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cards_break_no_rule_of_accessibility(
    page: Page, mock: PageMock, installed: Browser, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    mock.remember([Asked(9, WORKER_1, LEAF), Asked(8, CRON, LEAF, 1, agent="curl/7.88.1")])
    page.goto(mock.url("callers"))
    expect(page.get_by_role("article")).to_have_count(2)
    assert violations(page, installed) == []


def test_each_container_has_its_own_facts(page: Page, mock: PageMock) -> None:
    page.goto(mock.url("callers"))
    expect(page.get_by_role("heading", name="No callers yet")).to_be_visible()
    mock.get(LEAF, WORKER_1)
    mock.get(LEAF, WORKER_2)
    ids = [mock.get(LEAF, source) for source in (WORKER_1, WORKER_2)]
    assert len(set(ids)) == 2
    for name, instance in zip(("shop-worker-1", "shop-worker-2"), ids, strict=True):
        expect(page.get_by_role("article", name=name)).to_contain_text(instance)


def test_callers_without_a_name_come_last_as_on_the_timeline(page: Page, mock: PageMock) -> None:
    mock.remember([Asked(9, "127.0.0.99", LEAF), Asked(8, WORKER_1, LEAF), Asked(7, CRON, LEAF)])
    page.goto(mock.url("callers"))
    names = ["legacy-cron", "shop-worker-1", "127.0.0.99"]
    expect(page.get_by_role("article").get_by_role("heading")).to_have_text(names)
    page.get_by_role("link", name="Timeline", exact=True).click()
    expect(page.locator(".tl-name b")).to_have_text(names)


def test_the_chips_count_callers_and_imdsv1(page: Page, mock: PageMock) -> None:
    token = mock.token(WORKER_1)
    mock.get(LEAF, WORKER_1, token=token)
    mock.get(LEAF, CRON)
    page.goto(mock.url("callers"))
    chips = page.locator("#chips")
    expect(chips).to_contain_text("2 callers")
    expect(chips).to_contain_text("1 caller uses IMDSv1")
    expect(chips).to_contain_text("clock real")
    mock.call("POST", "/v1/clock/advance", {"by": "6h"})
    expect(chips).to_contain_text("clock +6.0 h")


def test_a_card_leads_to_the_events_for_its_caller(page: Page, mock: PageMock) -> None:
    mock.get(LEAF, WORKER_2)
    page.goto(mock.url("callers"))
    page.get_by_role("button", name="Events and faults for shop-worker-2").click()
    expect(page).to_have_title("Drive · imds-mock")
    expect(page.get_by_label("Target").first).to_have_value("shop-worker-2")


def test_a_card_shows_what_the_container_has_announced(page: Page, mock: PageMock) -> None:
    mock.announce('role=worker-role,tags.Name="<b>a</b>",user_data=hunter2', "worker-x", CRON)
    mock.get(LEAF, CRON)
    mock.get(LEAF, WORKER_1)
    page.goto(mock.url("callers"))
    expect(page.get_by_role("article")).to_have_count(2)
    card = page.get_by_role("article").filter(has_text="worker-role")
    announced = card.locator("dt", has_text="announced").locator("+ dd")
    expect(announced).to_have_text("worker-x, role=worker-role, tags.Name=<b>a</b>, user_data=(not shown)")
    expect(page.get_by_role("article", name="shop-worker-1").locator("dt", has_text="announced")).to_have_count(0)
    card.get_by_role("button").click()
    expect(page.get_by_label("Target").first).to_have_value("legacy-cron")
