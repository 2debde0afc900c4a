"""The page's files: who gets them, and with which headers."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.control.ui.files import read_files
from support.mockcontrol import driven_mock
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.mockcontrol import DrivenMock

TOKEN = "a-long-enough-token"  # noqa: S105 - made up
ASSETS = ROOT / "mock/src/imds_mock/control/ui/assets"
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path_factory.mktemp("mock")) as running:
        yield running


def test_the_root_leads_a_browser_to_the_page(mock: DrivenMock) -> None:
    reply = mock.call("GET", "/", tcp=True, Accept=BROWSER)
    assert (reply.status, reply.headers["location"]) == (303, "/ui/")


def test_the_root_tells_other_clients_of_the_page(mock: DrivenMock) -> None:
    reply = mock.call("GET", "/", tcp=True, Accept="*/*")
    assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
    assert "/openapi.json" in reply.json["detail"]
    assert "/ui/" in reply.json["detail"]


def test_the_policy_allows_the_mocks_own_files_alone(mock: DrivenMock) -> None:
    reply = mock.call("GET", "/ui/", tcp=True)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(each.split(" ", 1) for each in reply.headers["content-security-policy"].split("; "))
    assert policy == {
        **dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"),
        **dict.fromkeys(("script-src", "style-src", "connect-src", "img-src"), "'self'"),
    }
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_every_file_is_served_and_sent_again_only_after_a_change(mock: DrivenMock) -> None:
    for path in filter(lambda each: each.is_file(), ASSETS.rglob("*")):
        reply = mock.call("GET", f"/ui/{path.relative_to(ASSETS)}", tcp=True)
        assert (reply.status, reply.body) == (200, path.read_bytes())
        again = mock.call("GET", f"/ui/{path.relative_to(ASSETS)}", tcp=True, If_None_Match=reply.headers["etag"])
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["../files.py", "%2e%2e/files.py", "..%2ffiles.py", "/etc/passwd", "nothing.js"])
def test_only_the_pages_files_are_served(mock: DrivenMock, name: str) -> None:
    assert mock.call("GET", f"/ui/{name}", tcp=True).status == 404


def test_the_files_are_small() -> None:
    files = read_files()
    assert {"index.html", "main.js", "style.css"} <= files.keys()
    assert sum(len(gzip.compress(each.body)) for each in files.values()) < 150_000


def test_a_page_of_another_origin_gets_nothing(mock: DrivenMock) -> None:
    assert mock.call("GET", "/ui/", tcp=True, Origin="http://evil.example").status == 403
    assert mock.call("GET", "/ui/", tcp=True, Host="evil.example").status == 403


@pytest.mark.parametrize(
    ("control", "page", "api"),
    [({}, 403, 403), ({"token": TOKEN}, 200, 403)],
    ids=["without a token", "with a token"],
)
def test_the_files_need_no_token_but_the_api_does(
    tmp_path: Path, control: dict[str, Any], page: int, api: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imds_mock.control.access._is_loopback", lambda _address: False)
    with driven_mock(tmp_path, {"control": {**control, "trust_gateway": False}}) as mock:
        assert mock.call("GET", "/ui/", tcp=True).status == page
        assert mock.call("GET", "/ui/", tcp=True, Host="evil.example").status == 403
        refused = mock.call("GET", "/v1/status", tcp=True)
        assert refused.status == api
        # The page opens its login box only where a token helps.
        assert refused.headers.get("www-authenticate") == ("Bearer" if control else None)
        assert mock.call("POST", "/ui/", tcp=True).status == 403
        # Opening a connection for each file would exceed the rate of a client without access.
        assert refused.headers["connection"] == "close"
        assert ("connection" in mock.call("GET", "/ui/main.js", tcp=True).headers) == (page == 403)
