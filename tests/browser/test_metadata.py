"""The view "Metadata": the tree as a caller sees it, edited, removed, reverted, searched and compared."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from support.browser import CRON, WORKER_1, take_pictures, violations

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from browser_install import Browser
    from support.browser import PageMock, Watch

HOSTILE = "<img src=x onerror=document.title='owned'>"
REGION = "meta-data/placement/region"
TYPE = "meta-data/instance-type"


@pytest.fixture
def tree(page: Page, mock: PageMock) -> Page:
    for source in (WORKER_1, CRON):
        mock.get("/latest/meta-data/instance-id", source)
    page.goto(mock.url("metadata"))
    expect(leaf(page, TYPE)).to_be_visible()
    return page


def leaf(page: Page, path: str) -> Locator:
    return page.locator(f'[data-path="{path}"]')


def opened(page: Page, path: str) -> Locator:
    """A leaf, opened."""
    found = leaf(page, path)
    found.locator("summary").click()
    return found


def test_each_leaf_has_its_value_and_its_source(tree: Page, mock: PageMock) -> None:
    expect(leaf(tree, TYPE).locator("summary")).to_contain_text("m5.large")
    expect(opened(tree, TYPE)).to_contain_text("Value of the setting instance.instance_type.")
    expect(opened(tree, "meta-data/services/domain")).to_contain_text("Derived from instance.region.")
    mock.call("POST", "/v1/events", {"kind": "spot"})
    expect(opened(tree, "meta-data/spot/instance-action")).to_contain_text("Set by the event spot-1.")


def test_a_leaf_is_edited_by_its_path_seen_by_the_data_plane_and_reverted(tree: Page, mock: PageMock) -> None:
    zone = mock.get("/latest/meta-data/placement/availability-zone")
    found = opened(tree, REGION)
    found.get_by_role("button", name="Edit").click()
    dialog = tree.get_by_role("dialog")
    dialog.get_by_label("only this path").check()
    dialog.get_by_label("Value", exact=True).fill("eu-west-3")
    dialog.get_by_role("button", name="Save").click()
    expect(found.locator("summary")).to_contain_text("eu-west-3")
    expect(found.locator(".badge")).to_have_text("override")
    assert mock.get(f"/latest/{REGION}") == "eu-west-3"
    assert mock.get("/latest/meta-data/placement/availability-zone") == zone
    found.get_by_role("button", name="Revert").click()
    expect(found.locator("summary")).to_contain_text("us-east-1")
    assert mock.get(f"/latest/{REGION}") == "us-east-1"


def test_a_leaf_is_edited_by_its_setting_and_derived_values_follow(tree: Page, mock: PageMock) -> None:
    opened(tree, REGION).get_by_role("button", name="Edit").click()
    dialog = tree.get_by_role("dialog")
    expect(dialog.get_by_label("Value", exact=True)).to_have_value("us-east-1")
    dialog.get_by_label("Value", exact=True).fill("eu-west-1")
    dialog.get_by_role("button", name="Save").click()
    expect(leaf(tree, "meta-data/placement/availability-zone").locator("summary")).to_contain_text("eu-west-1")
    assert mock.get("/latest/meta-data/placement/availability-zone").startswith("eu-west-1")


def test_a_wrong_value_gets_the_sentence_of_the_api(tree: Page, watch: Watch) -> None:
    watch.allowed.append("422 (Unprocessable Entity)")
    opened(tree, TYPE).get_by_role("button", name="Edit").click()
    dialog = tree.get_by_role("dialog")
    dialog.get_by_label("Value", exact=True).fill("large!")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("an instance type such as")
    expect(dialog.get_by_label("Value", exact=True)).to_have_attribute("aria-invalid", "true")


def test_an_unknown_caller_in_the_address_is_explained(page: Page, mock: PageMock, watch: Watch) -> None:
    watch.allowed.append("404 (Not Found)")
    page.goto(mock.url("metadata?caller=nobody"))
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("'nobody' matches no caller")
    expect(problem.locator("code")).to_have_text("imds-mock ctl callers")
    page.get_by_label("As seen by").fill("")
    page.get_by_label("As seen by").press("Tab")
    expect(leaf(page, TYPE)).to_be_visible()
    expect(problem).to_be_hidden()


def test_a_path_is_added_removed_and_reverted(tree: Page, mock: PageMock) -> None:
    tree.get_by_role("button", name="Add a path").click()
    dialog = tree.get_by_role("dialog")
    dialog.get_by_label("Path").fill("/meta-data/own/x")
    dialog.get_by_label("Value", exact=True).fill("1")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(leaf(tree, "meta-data/own/x").locator("summary")).to_contain_text("1")
    assert mock.get("/latest/meta-data/own/x") == "1"
    opened(tree, REGION).get_by_role("button", name="Remove").click()
    expect(leaf(tree, REGION)).to_be_hidden()
    assert "404" in mock.get(f"/latest/{REGION}")
    tree.get_by_role("button", name=f"Revert {REGION}").click()
    expect(leaf(tree, REGION)).to_be_visible()
    assert mock.get(f"/latest/{REGION}") == "us-east-1"


def test_search_finds_paths_and_values(tree: Page) -> None:
    tree.get_by_label("Search").fill("m5.lar")
    expect(leaf(tree, TYPE)).to_be_visible()
    expect(leaf(tree, REGION)).to_be_hidden()
    tree.get_by_label("Search").fill("placement/reg")
    expect(leaf(tree, REGION)).to_be_visible()
    expect(leaf(tree, TYPE)).to_be_hidden()
    tree.get_by_label("Search").fill("no such thing")
    expect(tree.get_by_text("No path or value matches.")).to_be_visible()


def test_a_version_shows_what_it_had(tree: Page) -> None:
    tree.get_by_label("Version").select_option("1.0")
    expect(leaf(tree, "meta-data/services/domain")).to_be_hidden()
    expect(leaf(tree, "meta-data/ami-id")).to_be_visible()


def test_two_callers_are_compared(tree: Page) -> None:
    tree.get_by_label("As seen by").fill("shop-worker-1")
    tree.get_by_label("As seen by").press("Tab")
    tree.get_by_label("Compare with").select_option("caller")
    tree.get_by_label("Caller", exact=True).fill("legacy-cron")
    tree.get_by_label("Caller", exact=True).press("Tab")
    found = leaf(tree, "meta-data/instance-id")
    expect(found).to_have_class("leaf differs")
    tree.get_by_label("Only differences").check()
    expect(leaf(tree, TYPE)).to_be_hidden()
    expect(found.locator("summary .value")).to_have_count(2)


def test_now_is_compared_with_the_start(tree: Page, mock: PageMock) -> None:
    mock.call("PUT", f"/v1/metadata/{REGION}", {"value": "eu-west-3"})
    mock.call("DELETE", f"/v1/metadata/{TYPE}")
    tree.get_by_label("Compare with").select_option("start")
    expect(tree.get_by_role("status").filter(has_text="2 differ")).to_be_visible()
    tree.get_by_label("Only differences").check()
    expect(leaf(tree, REGION).locator("summary .value")).to_have_text(["eu-west-3", "us-east-1"])
    expect(leaf(tree, TYPE).locator("summary .value")).to_have_text(["(absent)", "m5.large"])


def test_an_unknown_caller_is_explained(tree: Page, watch: Watch) -> None:
    watch.allowed.append("404 (Not Found)")
    tree.get_by_label("As seen by").fill("wroker")
    tree.get_by_label("As seen by").press("Tab")
    expect(tree.get_by_role("alert").filter(has_text="worker")).to_be_visible()


def test_path_value_and_command_are_copied(tree: Page, mock: PageMock) -> None:
    tree.context.grant_permissions(["clipboard-read", "clipboard-write"])
    found = opened(tree, TYPE)
    copied: list[str] = []
    # Otherwise a message goes away by itself, perhaps before it is dismissed.
    tree.clock.install()
    tree.clock.pause_at(time.time() + 60)
    for name in ("Copy path", "Copy value", "Copy as curl"):
        found.get_by_role("button", name=name).click()
        expect(tree.get_by_text("Copied")).to_be_visible()
        copied.append(tree.evaluate("navigator.clipboard.readText()"))
        tree.get_by_role("button", name="Dismiss").click()
    assert copied[:2] == [f"/latest/{TYPE}", "m5.large"]
    command = copied[2].replace("http://169.254.169.254", f"http://127.0.0.1:{mock.port}")
    assert "169.254" not in command
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout == b"m5.large"


HOSTILE_DOCUMENT: dict[str, Any] = {
    "instance": {"tags": {"Name": HOSTILE, HOSTILE.replace("/", ""): "x"}, "user_data": f"<script>{HOSTILE}</script>"},
    "metadata_options": {"instance_metadata_tags": "disabled"},
    "metadata": {f"meta-data/{HOSTILE.replace('/', '')}": HOSTILE},
}


@pytest.mark.parametrize("document", [HOSTILE_DOCUMENT])
def test_hostile_values_are_text(tree: Page, document: dict[str, Any]) -> None:
    expect(opened(tree, "user-data")).to_contain_text(document["instance"]["user_data"])
    (path,) = document["metadata"]
    name = path.removeprefix("meta-data/")
    found = tree.locator("details.leaf", has=tree.get_by_text(name, exact=True))
    expect(found.locator("summary .value")).to_have_text(HOSTILE)
    assert tree.locator("main img, main script").count() == 0
    expect(tree).to_have_title("Metadata · imds-mock")


MANY: dict[str, Any] = {
    "metadata": {
        "meta-data/many": {
            f"group-{group}": {f"leaf-{number}": str(number) for number in range(group * 100, group * 100 + 100)}
            for group in range(30)
        }
    }
}


@pytest.mark.parametrize("document", [MANY])
def test_a_large_tree_opens_where_it_is_asked_to(page: Page, mock: PageMock) -> None:
    page.goto(mock.url("metadata"))
    expect(page.get_by_text(re.compile(r"30\d\d of 30\d\d leaves"))).to_be_visible()
    assert page.locator("[data-path]").count() == 0
    for name in ("meta-data/", "many/", "group-29/"):
        page.get_by_text(name, exact=True).click()
    expect(leaf(page, "meta-data/many/group-29/leaf-2999")).to_contain_text("2999")
    page.get_by_label("Search").fill("leaf-123")
    expect(leaf(page, "meta-data/many/group-1/leaf-123")).to_be_visible()


def test_secrets_are_masked(tree: Page, mock: PageMock) -> None:
    secret = json.loads(mock.get("/latest/meta-data/iam/security-credentials/my-role"))["SecretAccessKey"]
    found = opened(tree, "meta-data/iam/security-credentials/my-role")
    expect(found).to_contain_text("********")
    assert secret not in tree.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(tree: Page, mock: PageMock, installed: Browser, scheme: str) -> None:
    tree.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    mock.call("POST", "/v1/events", {"kind": "spot"})
    mock.call("DELETE", f"/v1/metadata/{TYPE}")
    mock.call("PUT", f"/v1/metadata/{REGION}", {"value": "eu-west-3"})
    tree.get_by_label("Compare with").select_option("start")
    expect(leaf(tree, REGION)).to_have_class("leaf differs")
    found = opened(tree, REGION)
    assert violations(tree, installed) == []
    for button in ("Edit",):
        found.get_by_role("button", name=button).click()
        expect(tree.get_by_role("dialog")).to_be_visible()
        assert violations(tree, installed) == []
        tree.keyboard.press("Escape")
    tree.get_by_role("button", name="Add a path").click()
    assert violations(tree, installed) == []


def test_the_keyboard_opens_edits_and_keeps_its_place(tree: Page) -> None:
    leaf(tree, TYPE).locator("summary").focus()
    tree.keyboard.press("Enter")
    edit = leaf(tree, TYPE).get_by_role("button", name="Edit")
    edit.focus()
    tree.keyboard.press("Enter")
    tree.get_by_role("dialog").get_by_label("Value", exact=True).fill("m7g.large")
    tree.keyboard.press("Tab")
    tree.keyboard.press("Tab")
    tree.keyboard.press("Enter")
    expect(leaf(tree, TYPE).locator("summary")).to_contain_text("m7g.large")
    expect(edit).to_be_focused()


def test_the_arrow_keys_move_through_the_tree(tree: Page) -> None:
    tree.get_by_text("placement/", exact=True).click()
    tree.keyboard.press("ArrowRight")
    tree.keyboard.press("ArrowDown")
    zone = leaf(tree, "meta-data/placement/availability-zone")
    expect(zone.locator("summary")).to_be_focused()
    tree.keyboard.press("ArrowRight")
    expect(zone.get_by_role("button", name="Copy path")).to_be_visible()
    tree.keyboard.press("ArrowLeft")
    expect(zone.get_by_role("button", name="Copy path")).to_be_hidden()
    tree.keyboard.press("ArrowLeft")
    tree.keyboard.press("ArrowLeft")
    expect(zone).to_be_hidden()
    tree.keyboard.press("Home")
    expect(tree.locator(":focus")).to_contain_text("dynamic/")


def test_pictures(tree: Page, mock: PageMock) -> None:
    mock.call("POST", "/v1/events", {"kind": "spot"})
    mock.call("PUT", f"/v1/metadata/{REGION}", {"value": "eu-west-3"})
    mock.call("DELETE", "/v1/metadata/meta-data/ami-launch-index")
    tree.get_by_label("Compare with").select_option("start")
    opened(tree, REGION)
    expect(leaf(tree, "meta-data/spot/instance-action")).to_be_visible()
    tree.evaluate("scrollTo(0, 0)")
    take_pictures(tree, "metadata")
    leaf(tree, REGION).get_by_role("button", name="Edit").click()
    take_pictures(tree, "metadata-edit")
