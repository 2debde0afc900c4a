"""The view "Drive": events, faults, scenarios, the clock, options and reset, as a user drives them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.browser import CRON, WORKER_1, take_pictures, violations

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from browser_install import Browser
    from support.browser import PageMock, Watch

SPOT = "/latest/meta-data/spot/instance-action"
CREDENTIALS = "/latest/meta-data/iam/security-credentials/"
REFUSED = "422 (Unprocessable Entity)"  # the browser reports each refused request
HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def drive(page: Page, mock: PageMock) -> Page:
    for source in (WORKER_1, CRON):
        mock.get("/latest/meta-data/instance-id", source)
    page.goto(mock.url("drive"))
    expect(page.get_by_role("button", name="Send a spot interruption notice")).to_be_visible()
    return page


def arm(page: Page, sentence: str) -> Locator:
    """Open the dialog of a kind."""
    page.get_by_role("button", name=sentence).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_an_event_is_armed_for_a_target_counted_down_cancelled_and_armed_again(drive: Page, mock: PageMock) -> None:
    drive.get_by_role("combobox", name="Target").fill("worker")
    expect(drive.get_by_text("matches 2 callers")).to_be_visible()
    drive.get_by_role("combobox", name="Target").press("Tab")
    dialog = arm(drive, "Send a spot interruption notice")
    expect(dialog.get_by_label("target")).to_have_value("worker")
    dialog.get_by_label("action").select_option("stop")
    dialog.get_by_label("for", exact=True).fill("2m")
    dialog.get_by_role("button", name="Send a spot interruption notice").click()
    expect(dialog).to_be_hidden()
    armed = drive.get_by_role("article", name="spot-1")
    expect(armed).to_contain_text(re.compile(r"ends in 1:\d\d"))
    expect(armed).to_contain_text("worker · matches 2 callers")
    assert '"stop"' in mock.get(SPOT)
    assert "404" in mock.get(SPOT, CRON)
    armed.get_by_role("button", name="Cancel").click()
    expect(armed).to_contain_text("canceled")
    assert "404" in mock.get(SPOT)
    armed.get_by_role("button", name="Re-arm").click()
    expect(armed).to_contain_text("ends in")
    armed.get_by_role("button", name="End").click()
    expect(armed).to_contain_text("ended")
    armed.get_by_role("button", name="Remove").click()
    expect(armed).to_be_hidden()
    assert mock.call("GET", "/v1/events") == []


def test_what_is_armed_shows_its_parameters_with_their_defaults(drive: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/events", {"kind": "maintenance"})
    mock.call("POST", "/v1/faults", {"kind": "status", "rate": 0.5})
    expect(drive.get_by_role("article", name="maintenance-1")).to_contain_text("code system-reboot")
    expect(drive.get_by_role("article", name="status-1")).to_contain_text("status 503 · rate 0.5")


def test_an_interruption_counts_down_to_what_it_announces(drive: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/events", {"kind": "spot"})
    armed = drive.get_by_role("article", name="spot-1")
    expect(armed).to_contain_text(re.compile(r"terminate in [12]:\d\d"))
    mock.call("POST", "/v1/clock/advance", {"by": "3m"})
    expect(armed).to_contain_text("active, no end")


def test_a_fault_is_armed_with_parameters_and_hits_are_counted(drive: Page, mock: PageMock) -> None:
    dialog = arm(drive, "Respond with an error")
    dialog.get_by_label("status", exact=True).fill("500")
    dialog.get_by_label("path").fill("*/iam/*")
    dialog.get_by_label("count").fill("2")
    dialog.get_by_label("count").press("Enter")
    expect(dialog).to_be_hidden()
    mock.get(CREDENTIALS)
    armed = drive.get_by_role("article", name="status-1")
    expect(armed).to_contain_text("1 response changed")
    assert mock.call("GET", "/v1/faults")[0]["fault"] == {
        "kind": "status",
        "status": 500,
        "path": "*/iam/*",
        "count": 2,
    }
    mock.get(CREDENTIALS)
    expect(armed).to_contain_text("spent")
    armed.get_by_role("button", name="Re-arm").click()
    expect(drive.get_by_role("article", name="status-2")).to_contain_text("active")


def test_a_wrong_value_gets_the_sentence_of_the_api_next_to_its_field(
    drive: Page, mock: PageMock, watch: Watch
) -> None:
    watch.allowed.append(REFUSED)
    dialog = arm(drive, "Respond with an error")
    dialog.get_by_label("status", exact=True).fill("two hundred")
    dialog.get_by_label("rate").fill("7")
    dialog.get_by_role("button", name="Respond with an error").click()
    status = dialog.get_by_label("status", exact=True)
    expect(status).to_have_attribute("aria-invalid", "true")
    expect(status).to_be_focused()
    problem = dialog.locator(f"#{status.get_attribute('id')}-problem")
    expect(problem).to_contain_text("expected a whole number from 400 to 599, got 'two hundred'")
    expect(dialog.locator(f"#{dialog.get_by_label('rate').get_attribute('id')}-problem")).to_contain_text("from 0 to 1")
    assert mock.call("GET", "/v1/faults") == []


def test_a_target_without_callers_is_explained(drive: Page) -> None:
    drive.get_by_role("combobox", name="Target").fill("wroker")
    expect(drive.get_by_text("matches 0 callers")).to_contain_text("worker")


def test_a_scenario_is_shown_ahead_of_time_then_played(drive: Page, mock: PageMock) -> None:
    text = "steps:\n- {at: 60s, fault: {kind: stall}}\n- {at: 10s, event: {kind: spot, target: worker}}\n"
    drive.get_by_label("Scenario, as YAML or JSON").fill(text)
    steps = drive.get_by_role("list", name="Steps of the scenario").get_by_role("listitem")
    expect(steps).to_have_text([re.compile(r"\+10 s\s*spot\s*worker, matches 2"), re.compile(r"\+60 s\s*stall")])
    assert mock.call("GET", "/v1/events") == []
    drive.get_by_role("button", name="Play").click()
    expect(drive.get_by_role("article", name="spot-1")).to_contain_text("starts in 0:")
    expect(drive.get_by_role("article", name="stall-1")).to_be_visible()


def test_a_scenario_comes_from_an_example_or_a_file_and_a_wrong_one_is_explained(drive: Page, watch: Watch) -> None:
    watch.allowed.append(REFUSED)
    drive.get_by_label("Example").select_option("Maintenance")
    expect(drive.get_by_role("list", name="Steps of the scenario")).to_contain_text("maintenance")
    drive.get_by_label("File").set_input_files(
        {"name": "x.yaml", "mimeType": "text/plain", "buffer": b"steps: [{event: {kind: sport}}]"}
    )
    expect(drive.get_by_text("did you mean spot?")).to_be_visible()
    expect(drive.get_by_role("button", name="Play", exact=True)).to_be_disabled()


def test_markup_in_a_scenario_is_text(drive: Page) -> None:
    drive.get_by_label("Scenario, as YAML or JSON").fill(f'steps: [{{event: {{kind: spot, target: "{HOSTILE}"}}}}]')
    expect(drive.get_by_role("list", name="Steps of the scenario")).to_contain_text(HOSTILE)
    drive.get_by_role("button", name="Play").click()
    expect(drive.get_by_role("article", name="spot-1")).to_contain_text(HOSTILE)
    assert drive.locator("main img").count() == 0
    expect(drive).to_have_title("Drive · imds-mock")


def test_the_clock_is_advanced_set_and_returned_to_the_real_time(drive: Page, mock: PageMock, watch: Watch) -> None:
    watch.allowed.append(REFUSED)
    drive.get_by_role("button", name="Advance by 6h").click()
    expect(drive.get_by_text("6 h ahead of real time")).to_be_visible()
    assert mock.call("GET", "/v1/clock")["offset_seconds"] == pytest.approx(21600, abs=1)
    drive.get_by_label("Set to").fill("2030-01-01T00:00:00Z")
    drive.get_by_role("button", name="Set", exact=True).click()
    expect(drive.locator(".clock-time")).to_contain_text("2030-01-01T00:00:")
    drive.get_by_label("Advance by", exact=True).fill("soon")
    drive.get_by_label("Advance by", exact=True).press("Enter")
    expect(drive.get_by_text("expected a duration such as 30s, 2m, 1h30m or 250ms, got 'soon'")).to_be_visible()
    drive.get_by_role("button", name="Return to real time").click()
    expect(drive.get_by_text("Real time.")).to_be_visible()
    assert mock.call("GET", "/v1/clock")["is_real"] is True


def test_options_are_changed_and_a_reset_restores_the_start(drive: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/events", {"kind": "spot"})
    drive.get_by_text("Metadata options").click()
    drive.get_by_label("http_tokens").select_option("required")
    drive.get_by_role("button", name="Change options").click()
    expect(drive.get_by_text("Metadata options changed.")).to_be_visible()
    assert mock.get(CREDENTIALS) == ""
    assert mock.call("GET", "/v1/requests")[-1]["status"] == 401
    drive.get_by_role("button", name="Reset…").click()
    dialog = drive.get_by_role("dialog")
    dialog.get_by_label("Keep the recorded requests").check()
    dialog.get_by_role("button", name="Reset", exact=True).click()
    expect(drive.get_by_text("No events or faults are armed.")).to_be_visible()
    expect(drive.get_by_label("http_tokens")).to_have_value("optional")
    assert mock.call("GET", "/v1/requests") != []


def test_a_refused_option_has_its_reason_below_its_field(drive: Page, watch: Watch) -> None:
    watch.allowed.append(REFUSED)
    drive.get_by_text("Metadata options").click()
    field = drive.get_by_label("http_put_response_hop_limit")
    field.fill("999")
    drive.get_by_role("button", name="Change options").click()
    reason = drive.locator(f"#{field.get_attribute('id')}-problem")
    expect(reason).to_have_text("expected a hop limit from 1 to 64 or null, got 999")
    place, beside = reason.bounding_box(), drive.get_by_label("http_protocol_ipv6").bounding_box()
    assert place is not None
    assert beside is not None
    assert place["x"] + place["width"] <= beside["x"]
    card = drive.get_by_role("region", name="Metadata options").bounding_box()
    assert card is not None
    assert place["x"] - card["x"] >= 12


def test_everything_can_be_done_with_the_keyboard(drive: Page, mock: PageMock) -> None:
    button = drive.get_by_role("button", name="Send a rebalance recommendation")
    button.focus()
    drive.keyboard.press("Enter")
    dialog = drive.get_by_role("dialog")
    expect(dialog).to_be_visible()
    drive.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    drive.keyboard.press("Enter")
    dialog.get_by_role("button", name="Send a rebalance recommendation").focus()
    drive.keyboard.press("Enter")
    expect(drive.get_by_role("article", name="rebalance-1")).to_contain_text("active, no end")
    assert len(mock.call("GET", "/v1/events")) == 1


OPEN = """async (kind) => {
    const load = (name) => import(`/ui/${name}.js`);
    const names = ["api", "store", "dialog", "drive"];
    const [{ api }, { store }, { notify }, { openDialog }] = await Promise.all(names.map(load));
    await openDialog(kind, { api, store, notify, target: { get: () => "worker" } });
}"""
"""What the timeline's buttons do."""


def test_a_kind_of_fault_is_chosen_in_the_dialog(drive: Page, mock: PageMock) -> None:
    drive.evaluate(OPEN, "fault")
    dialog = drive.get_by_role("dialog", name="Add a fault")
    dialog.get_by_label("Kind").select_option("truncate")
    dialog.get_by_label("keep_bytes").fill("3")
    expect(dialog.get_by_text("matches 2 callers")).to_be_visible()
    dialog.get_by_role("button", name="Cut off the body").click()
    expect(dialog).to_be_hidden()
    assert mock.call("GET", "/v1/faults")[0]["fault"] == {"kind": "truncate", "keep_bytes": 3, "target": "worker"}


def test_a_scenario_is_planned_in_the_dialog_and_forgotten_when_it_closes(drive: Page) -> None:
    planned = "async () => (await import('/ui/store.js')).store.get('planned').map((each) => each.kind)"
    drive.evaluate(OPEN, "scenario")
    dialog = drive.get_by_role("dialog", name="Play a scenario")
    dialog.get_by_label("Scenario, as YAML or JSON").fill("steps: [{at: 10s, event: {kind: spot}}]")
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    assert drive.evaluate(planned) == ["spot"]
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert drive.evaluate(planned) == []


def test_an_unknown_kind_is_reported(drive: Page) -> None:
    drive.evaluate(OPEN, "sport")
    expect(drive.get_by_text("This mock has no event or fault of the kind sport.")).to_be_visible()


def test_a_scenario_is_played_at_once_after_it_was_typed(drive: Page, mock: PageMock) -> None:
    text = drive.get_by_label("Scenario, as YAML or JSON")
    text.fill("steps: [{event: {kind: rebalance}}]")
    expect(drive.get_by_role("button", name="Play", exact=True)).to_be_enabled()
    text.fill("steps: [{event: {kind: spot}}]")
    drive.get_by_role("button", name="Play", exact=True).click()
    expect(drive.get_by_role("article", name="spot-1")).to_be_visible()
    assert len(mock.call("GET", "/v1/events")) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_dialog_breaks_a_rule_of_accessibility(drive: Page, mock: PageMock, installed: Browser, scheme: str) -> None:
    drive.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    mock.call("POST", "/v1/events", {"kind": "spot", "target": "worker", "in": "2m", "for": "2m"})
    mock.call("POST", "/v1/faults", {"kind": "status", "target": "nobody"})
    drive.get_by_text("Metadata options").click()
    drive.get_by_label("Scenario, as YAML or JSON").fill("steps: [{at: 5s, event: {kind: spot, target: nobody}}]")
    expect(drive.get_by_role("article", name="status-1")).to_be_visible()
    assert violations(drive, installed) == []
    for button in drive.locator("button.kind").all():
        button.click()
        expect(drive.get_by_role("dialog")).to_be_visible()
        assert violations(drive, installed) == []
        drive.keyboard.press("Escape")
    drive.get_by_role("button", name="Reset…").click()
    assert violations(drive, installed) == []


def test_pictures(drive: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/events", {"kind": "spot", "target": "worker", "for": "2m"})
    mock.call("POST", "/v1/events", {"kind": "maintenance", "in": "10m"})
    mock.call("POST", "/v1/faults", {"kind": "status", "path": "*/iam/*", "target": "nobody"})
    drive.get_by_label("Example").select_option("Spot interruption with a warning")
    expect(drive.get_by_role("article", name="status-1")).to_be_visible()
    take_pictures(drive, "drive")
    drive.get_by_role("button", name="Respond with an error").first.click()
    expect(drive.get_by_role("dialog")).to_contain_text("retry_after")
    take_pictures(drive, "drive-dialog")
