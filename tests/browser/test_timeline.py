"""The timeline: what users see of their containers' requests, and what they can do about them."""

from __future__ import annotations

import random
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from support.browser import CRON, WEB, WORKER_1, WORKER_2, Asked, take_pictures, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Locator, Page

    from browser_install import Browser
    from support.browser import PageMock, Watch

LEAF = "/latest/meta-data/instance-id"
NOTICE = "/latest/meta-data/spot/instance-action"
TOKEN = "/latest/api/token"  # noqa: S105 - a path
ROLE = "/latest/meta-data/iam/security-credentials/my-role"
BOTO, GO, CURL = "Boto3/1.40.2 Botocore/1.40.2", "aws-sdk-go-v2/1.30.1 os/linux lang/go#1.22", "curl/7.88.1"
MIDDLE_OF_FIRST_LANE, LANE = 30 + 45, 98


def three_minutes() -> Iterator[Asked]:
    """A project with four containers, of which two read the notice of an interruption that began 72 s ago."""
    chance = random.Random(7)  # noqa: S311 - a reproducible picture
    made = []
    for source, agent in ((WORKER_1, BOTO), (WORKER_2, BOTO), (WEB, GO), (CRON, CURL)):
        version = 1 if source == CRON else 2
        for _ in range(34):
            ago = chance.uniform(1, 175)
            path = chance.choice([LEAF, ROLE, NOTICE, TOKEN if version == 2 else LEAF, "/latest/user-data"])
            status = 404 if path == NOTICE and (ago > 72 or source in {WEB, CRON}) else 200
            if path != NOTICE or source != WORKER_2 or not 45 < ago < 72:
                made.append(Asked(ago, source, path, version, status, agent))
    made += [Asked(ago, WEB, ROLE, 2, 503, GO, ("status-1",)) for ago in (38, 31, 26)]
    made += [Asked(67.4, WORKER_1, NOTICE), Asked(45, WORKER_2, NOTICE), Asked(90, WEB, LEAF, 2, 401, GO)]
    return iter(sorted(made, key=lambda each: -each.seconds_ago))


def arm_all(mock: PageMock) -> None:
    now = time.time()
    mock.remember(three_minutes())
    mock.call("POST", "/v1/events", {"kind": "spot", "target": "worker", "at": now - 72})
    mock.call("POST", "/v1/faults", {"kind": "status", "target": "web", "path": "*/iam/*", "at": now - 44, "for": 20})
    mock.call("POST", "/v1/events", {"kind": "rebalance", "target": "web", "in": "20s"})


@pytest.fixture
def timeline(page: Page, mock: PageMock) -> Page:
    page.goto(mock.url("timeline"))
    expect(page.get_by_role("heading", level=1, name="Timeline")).to_be_attached()
    return page


def lane(page: Page, name: str) -> Locator:
    return page.locator(".tl-name", has_text=name)


def table(page: Page) -> Locator:
    """The rows of the table, after opening it."""
    page.locator("summary", has_text="as a table").click()
    return page.locator(".tl-table tbody tr")


def armed(page: Page, name: str) -> Locator:
    return page.locator(f'[data-id="{name}"]')


POINT = """([x, y]) => {
  const canvas = document.querySelector("canvas[role=application]");
  const ratio = canvas.width / canvas.clientWidth;
  const { data } = canvas.getContext("2d").getImageData(x * canvas.width - 4, y * ratio, 9, 1);
  return Array.from({ length: 9 }, (_, i) => data.slice(4 * i, 4 * i + 4).join()).sort()[4];
}"""
"""Red, green, blue and opacity of the chart around a point, where lines of the time axis pass.

`x` is a share of its width, `y` is in pixels.
"""


@pytest.mark.measures_time
def test_a_request_appears_within_a_second(timeline: Page, mock: PageMock) -> None:
    expect(timeline.get_by_role("heading", name="No requests yet")).to_be_visible()
    mock.get(LEAF, WORKER_1)
    expect(lane(timeline, "shop-worker-1")).to_be_visible(timeout=1000)
    expect(lane(timeline, "shop-worker-1")).to_contain_text("worker · i-")
    expect(table(timeline)).to_have_count(1)
    mock.get(LEAF, CRON, agent=CURL)
    expect(lane(timeline, "legacy-cron")).to_be_visible(timeout=1000)
    expect(timeline.get_by_text("2 callers use IMDSv1")).to_be_visible()


def test_the_band_of_an_event_is_over_the_callers_that_it_is_for(timeline: Page, mock: PageMock, watch: Watch) -> None:
    watch.allowed.append("willReadFrequently")  # Chromium's advice about reading the canvas
    mock.get(LEAF, WORKER_1)
    mock.get(LEAF, WORKER_2)
    expect(lane(timeline, "shop-worker-2")).to_be_visible()
    first, second = (0.97, MIDDLE_OF_FIRST_LANE - 15), (0.97, MIDDLE_OF_FIRST_LANE - 15 + LANE)
    nothing = timeline.evaluate(POINT, first)
    assert timeline.evaluate(POINT, second) == nothing
    mock.call("POST", "/v1/events", {"kind": "spot", "target": "shop-worker-2"})
    expect(armed(timeline, "spot-1")).to_contain_text(re.compile(r"terminate in (2:00|1:\d\d)"))
    timeline.wait_for_function(f"([point, before]) => ({POINT})(point) !== before", arg=[second, nothing])
    assert timeline.evaluate(POINT, first) == nothing


def test_planned_steps_and_what_is_over_have_bands(timeline: Page, mock: PageMock, watch: Watch) -> None:
    watch.allowed.append("willReadFrequently")
    mock.get(LEAF)
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    ahead, half_a_minute_ago = (0.97, MIDDLE_OF_FIRST_LANE - 15), (0.72, MIDDLE_OF_FIRST_LANE - 15)
    nothing = timeline.evaluate(POINT, ahead)
    differs = f"([point, before]) => ({POINT})(point) !== before"
    timeline.evaluate("""async () => (await import('/ui/store.js')).store.set(
      'planned', [{at: Date.now() + 2000, until: null, what: 'event', kind: 'spot', target: null}])""")
    timeline.wait_for_function(differs, arg=[ahead, nothing])
    timeline.evaluate("async () => (await import('/ui/store.js')).store.set('planned', [])")
    timeline.wait_for_function(f"([point, before]) => ({POINT})(point) === before", arg=[ahead, nothing])
    mock.call("POST", "/v1/faults", {"kind": "reset", "path": "*/nothing", "at": time.time() - 60})
    timeline.wait_for_function(differs, arg=[ahead, nothing])
    timeline.get_by_role("button", name="Cancel reset-1").click()
    # The fault is removed, and its band ends now.
    timeline.wait_for_function(f"([point, before]) => ({POINT})(point) === before", arg=[ahead, nothing])
    assert timeline.evaluate(POINT, half_a_minute_ago) != nothing


def test_who_has_seen_the_notice_and_after_how_long(timeline: Page, mock: PageMock) -> None:
    for source in (WORKER_1, WORKER_2, WEB):
        mock.get(LEAF, source)
    mock.remember([Asked(4.4, WORKER_1, NOTICE)])
    (asked,) = mock.call("GET", f"/v1/requests?path={NOTICE}")
    began = datetime.fromisoformat(asked["time"]).timestamp() - 4.6
    mock.call("POST", "/v1/events", {"kind": "spot", "target": "worker", "at": began})
    panel = timeline.get_by_role("region", name="Who has seen the notice")
    expect(panel.locator(".tl-seen", has_text="shop-worker-1")).to_contain_text(re.compile(r"4\.[567] s"))
    expect(panel.locator(".tl-seen", has_text="shop-worker-2")).to_contain_text("not yet")
    expect(panel.locator(".tl-seen", has_text="shop-web-1")).to_have_count(0)
    mock.get(NOTICE, WORKER_2)
    expect(panel.locator(".tl-seen", has_text="shop-worker-2")).to_contain_text(re.compile(r"\d+\.\d s"))


def test_one_caller_is_interrupted_from_the_page(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF, WORKER_1)
    mock.get(LEAF, WORKER_2)
    lane(timeline, "shop-worker-2").click()
    timeline.get_by_role("button", name="Interrupt spot…").click()
    dialog = timeline.get_by_role("dialog")
    expect(dialog.get_by_label("target")).to_have_value("shop-worker-2")
    dialog.get_by_role("button", name="Send a spot interruption notice").click()
    expect(armed(timeline, "spot-1")).to_contain_text("shop-worker-2 · matches 1")
    assert "terminate" in mock.get(NOTICE, WORKER_2)
    assert "terminate" not in mock.get(NOTICE, WORKER_1)
    panel = timeline.get_by_role("region", name="Who has seen the notice")
    expect(panel).to_contain_text("shop-worker-2")
    expect(panel).not_to_contain_text("shop-worker-1")


def test_a_fault_is_added_by_keyboard_alone(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF)
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    timeline.keyboard.press("Tab")
    expect(timeline.get_by_text("Skip to the content")).to_be_focused()
    timeline.keyboard.press("Enter")
    for _ in range(12):
        if timeline.evaluate("document.activeElement.textContent") == "Add fault…":
            break
        timeline.keyboard.press("Tab")
    timeline.keyboard.press("Enter")
    dialog = timeline.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Kind").select_option("status")
    dialog.get_by_label("path").press_sequentially("*/instance-id")
    timeline.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(armed(timeline, "status-1")).to_contain_text("503 on */instance-id")
    mock.get(LEAF)
    expect(armed(timeline, "status-1")).to_contain_text("1 response")


def test_an_event_is_cancelled_and_armed_again(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF)
    mock.call("POST", "/v1/events", {"kind": "spot", "in": "1h", "target": "worker"})
    expect(armed(timeline, "spot-1")).to_contain_text("starts in")
    timeline.get_by_role("button", name="Cancel spot-1").click()
    expect(armed(timeline, "spot-1")).to_contain_text("canceled")
    assert mock.call("GET", "/v1/events/spot-1")["state"] == "canceled"
    timeline.get_by_role("button", name="Re-arm spot-1").click()
    expect(armed(timeline, "spot-1")).to_contain_text("terminate in")
    assert mock.call("GET", "/v1/events/spot-1")["state"] == "active"
    assert "terminate" in mock.get(NOTICE)


def test_a_fault_is_counted_stopped_and_armed_again(timeline: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/faults", {"kind": "status", "path": "*/instance-id", "count": 1})
    mock.get(LEAF)
    mock.get(LEAF)
    expect(armed(timeline, "status-1")).to_contain_text("spent after 1 response")
    rows = table(timeline)
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("503 (status-1)")
    timeline.get_by_role("button", name="Re-arm status-1").click()
    expect(armed(timeline, "status-2")).to_contain_text("503 on */instance-id")
    timeline.get_by_role("button", name="Cancel status-2").click()
    expect(armed(timeline, "status-2")).to_have_count(0)
    assert [each["id"] for each in mock.call("GET", "/v1/faults")] == ["status-1"]


def test_a_mark_opens_its_request(timeline: Page, mock: PageMock) -> None:
    began = time.monotonic()
    mock.remember([Asked(30, WORKER_1, ROLE, agent=GO, microseconds=250)])
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    timeline.get_by_role("button", name="Pause").click()
    passed = time.monotonic() - began
    box = timeline.get_by_role("application").bounding_box()
    script = "() => { const c = document.querySelector('.tl-chart'); return c.drawMilliseconds; }"
    assert timeline.evaluate(script) < 1000
    assert box is not None
    gutter = min(260, max(180, box["width"] * 0.17))
    # 16 % of the view of 180 s are ahead of now; 30 s ago is 58.8 s before its end.
    width = box["width"] - gutter - 14
    x = gutter + width * (1 - 0.16 - 30 / 180)
    timeline.mouse.move(box["x"] + x - 2, box["y"] + MIDDLE_OF_FIRST_LANE)
    # Until the view was paused, the mark moved to the left.
    for step in range(0, 12 + int(width * passed / 180), 3):
        if timeline.locator("canvas.over-mark").count():
            break
        timeline.mouse.move(box["x"] + x - step, box["y"] + MIDDLE_OF_FIRST_LANE)
    expect(timeline.locator(".tl-tip")).to_contain_text(f"GET {ROLE} → 200, IMDSv2")
    timeline.mouse.down()
    timeline.mouse.up()
    details = timeline.get_by_role("region", name="Request", exact=True)
    for text in (f"GET {ROLE}", "200 · 250 µs", "IMDSv2", "valid", GO, "shop-worker-1 (127.0.0.2)"):
        expect(details).to_contain_text(text)


def test_marks_are_reached_by_keyboard(timeline: Page, mock: PageMock) -> None:
    first, second = Asked(20, WORKER_1, LEAF), Asked(10, WORKER_1, ROLE)
    mock.remember([first, Asked(11, WORKER_2, NOTICE, status=404), second])
    expect(lane(timeline, "shop-worker-2")).to_be_visible()
    chart = timeline.get_by_role("application")
    chart.focus()
    spoken = timeline.locator(".tl-chart [aria-live]")
    chart.press("ArrowRight")
    expect(spoken).to_contain_text(ROLE)
    chart.press("ArrowLeft")
    expect(spoken).to_contain_text(LEAF)
    chart.press("End")
    chart.press("ArrowDown")
    expect(spoken).to_contain_text("shop-worker-2")
    expect(spoken).to_contain_text("404")
    chart.press("Enter")
    expect(timeline.locator("#request-title")).to_be_focused()
    expect(timeline.get_by_role("region", name="Request", exact=True)).to_contain_text(NOTICE)


def test_details_stay_when_the_journal_is_cleared_and_say_so(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF)
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    timeline.get_by_role("application").press("ArrowLeft")
    details = timeline.get_by_role("region", name="Request", exact=True)
    expect(details).to_contain_text(mock.call("GET", "/v1/requests")[0]["time"])
    mock.call("POST", "/v1/reset")
    expect(details).to_contain_text("The journal no longer contains this request.")
    expect(details).to_contain_text(LEAF)


def test_after_a_jump_of_the_clock_the_page_leads_to_the_latest_request(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF)
    mock.call("POST", "/v1/events", {"kind": "spot"})
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    mock.call("POST", "/v1/clock/advance", {"by": "24h"})
    expect(timeline.get_by_text("No request in view; the latest was at")).to_be_visible()
    expect(armed(timeline, "spot-1")).to_contain_text("terminate due")
    timeline.get_by_role("button", name="Show the latest request").click()
    expect(timeline.get_by_text("No request in view")).to_be_hidden()
    expect(timeline.get_by_role("button", name="Follow")).to_be_focused()
    expect(table(timeline)).to_have_count(1)


def test_the_count_of_a_selected_span_follows(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF)
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    box = timeline.get_by_role("application").bounding_box()
    assert box is not None
    y = box["y"] + MIDDLE_OF_FIRST_LANE + 30
    timeline.mouse.move(box["x"] + box["width"] * 0.7, y)
    timeline.mouse.down()
    timeline.mouse.move(box["x"] + box["width"] - 2, y, steps=3)
    timeline.mouse.up()
    expect(timeline.locator(".tl-span")).to_contain_text("1 request by 1 caller")
    mock.get(LEAF)
    expect(timeline.locator(".tl-span")).to_contain_text("2 requests by 1 caller")


def test_the_page_names_the_time_zone_and_the_date(browser: Chromium, mock: PageMock) -> None:
    mock.call("PUT", "/v1/clock", {"time": "2030-07-01T21:00:00Z"})
    page = browser.new_page(timezone_id="Asia/Kolkata", viewport={"width": 1440, "height": 900})
    page.goto(mock.url("timeline"))
    expect(page.get_by_text("2 Jul 2030. Times are in your browser's time zone, UTC+5:30.")).to_be_visible()
    page.close()


def test_the_view_is_paused_zoomed_and_a_span_selected(timeline: Page, mock: PageMock) -> None:
    mock.remember([Asked(ago, WORKER_1, LEAF, 1) for ago in range(100, 0, -10)])
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    length = timeline.get_by_label("Length of the view")
    timeline.get_by_role("button", name="Zoom in").click()
    expect(length.locator("option:checked")).to_have_text("90.0 s")
    timeline.get_by_role("button", name="Zoom out").click()
    expect(length.locator("option:checked")).to_have_text("3 min")
    timeline.get_by_role("button", name="Pause").click()
    expect(timeline.get_by_role("button", name="Follow")).to_be_visible()
    box = timeline.get_by_role("application").bounding_box()
    assert box is not None
    y = box["y"] + MIDDLE_OF_FIRST_LANE + 30
    timeline.mouse.move(box["x"] + box["width"] * 0.4, y)
    timeline.mouse.down()
    timeline.mouse.move(box["x"] + box["width"] * 0.7, y, steps=4)
    timeline.mouse.up()
    bar = timeline.locator(".tl-span")
    expect(bar).to_contain_text(re.compile(r"\d requests by 1 caller, \d IMDSv1"))
    bar.get_by_role("button", name="Zoom to selection").click()
    expect(bar).to_be_hidden()
    timeline.get_by_role("button", name="Follow").click()
    expect(timeline.get_by_role("button", name="Pause")).to_be_visible()


def test_the_target_is_chosen_by_a_lane_or_a_list(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF, WORKER_1)
    mock.get(LEAF, WORKER_2)
    target = timeline.get_by_label("Target")
    expect(target.locator("option", has_text="worker · matches 2").first).to_be_attached()
    lane(timeline, "shop-worker-2").click()
    expect(target).to_have_value("shop-worker-2")
    target.select_option("worker")
    expect(target.locator("option:checked")).to_have_text("worker · matches 2")


def test_a_cleared_journal_clears_the_timeline(timeline: Page, mock: PageMock) -> None:
    mock.get(LEAF)
    expect(lane(timeline, "shop-worker-1")).to_be_visible()
    mock.call("DELETE", "/v1/requests")
    expect(timeline.get_by_role("heading", name="No requests yet")).to_be_visible()
    mock.get(LEAF, WEB)
    expect(lane(timeline, "shop-web-1")).to_be_visible()
    expect(lane(timeline, "shop-worker-1")).to_have_count(0)


@pytest.mark.measures_time
def test_ten_thousand_requests_move_smoothly(page: Page, mock: PageMock) -> None:
    sources = (WORKER_1, WORKER_2, WEB, CRON)
    mock.remember(Asked(140 - 135 * n / 10_000, sources[n % 4], ROLE if n % 3 else LEAF) for n in range(10_000))
    page.goto(mock.url("timeline"))
    expect(page.get_by_text("Requests in view as a table (10,000")).to_be_visible()
    script = """async () => {
      const chart = document.querySelector(".tl-chart");
      const scroller = document.querySelector(".tl-scroll");
      const times = [];
      for (let i = 0; i < 60; i += 1) {
        scroller.dispatchEvent(new WheelEvent("wheel", {deltaX: i % 2 ? 9 : -8, bubbles: true, cancelable: true}));
        await new Promise(requestAnimationFrame);
        await new Promise((done) => setTimeout(done));
        times.push(chart.drawMilliseconds);
      }
      return times.sort((a, b) => a - b);
    }"""
    times: list[float] = page.evaluate(script)
    print(f"drawing 10,000 requests: median {times[30]:.1f} ms, 90th percentile {times[54]:.1f} ms")  # noqa: T201
    assert times[30] < 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_full_timeline_breaks_no_rule_of_accessibility(
    timeline: Page, mock: PageMock, installed: Browser, scheme: Literal["light", "dark"]
) -> None:
    timeline.emulate_media(color_scheme=scheme)
    arm_all(mock)
    expect(lane(timeline, "legacy-cron")).to_be_visible()
    table(timeline).first.get_by_role("button").click()
    expect(timeline.get_by_role("region", name="Who has seen the notice")).to_be_visible()
    assert violations(timeline, installed) == []


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
def test_it_fits_every_width(timeline: Page, mock: PageMock, width: int) -> None:
    arm_all(mock)
    timeline.set_viewport_size({"width": width, "height": 800})
    expect(lane(timeline, "legacy-cron")).to_be_visible()
    assert timeline.evaluate("document.documentElement.scrollWidth") <= width


def test_a_long_name_fits_a_phone(timeline: Page, mock: PageMock) -> None:
    mock.network.names[WEB] = "payments-reconciliation-nightly-batch-with-a-long-name-1.shop_default"
    mock.get(LEAF, WEB)
    timeline.set_viewport_size({"width": 360, "height": 800})
    expect(lane(timeline, "payments")).to_be_visible()
    target = timeline.get_by_label("Target").bounding_box()
    assert target is not None
    assert target["x"] + target["width"] <= 360 - 12 - 12


def test_pictures(timeline: Page, mock: PageMock) -> None:
    arm_all(mock)
    expect(armed(timeline, "rebalance-2")).to_be_visible()
    expect(timeline.get_by_role("region", name="Who has seen the notice")).to_contain_text("27.")
    table(timeline).nth(60).get_by_role("button").click()
    timeline.evaluate("scrollTo(0, 0)")
    take_pictures(timeline, "timeline")
    timeline.get_by_role("link", name="Callers", exact=True).click()
    expect(timeline.get_by_role("article")).to_have_count(4)
    take_pictures(timeline, "callers")
