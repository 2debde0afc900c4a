"""A browser in front of a mock: fixtures for the tests of the page, with Playwright and Debian's Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
from playwright.sync_api import expect, sync_playwright

import browser_install
from imds_mock import Dependencies, Mock
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import TOKEN_HEADER, USER_AGENT_HEADER, Head, Request, Response
from support.announcing import announcement
from support.callers import FakeNetwork
from support.mockcontrol import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page
    from playwright.sync_api import Request as MadeRequest

    from imds_mock.signing.signer import Signer

PICTURES: Final = browser_install.CACHE / "pictures"

WORKER_1, WORKER_2, WEB, CRON = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
NAMES: Final = {
    WORKER_1: "shop-worker-1.shop_default",
    WORKER_2: "shop-worker-2.shop_default",
    WEB: "shop-web-1.shop_default",
    CRON: "legacy-cron.shop_default",
}
"""Containers on the mock's network, by the loopback address that their requests come from."""

_HOSTS: Final = {
    "worker": frozenset({WORKER_1, WORKER_2}),
    "web": frozenset({WEB}),
    **{name.partition(".")[0]: frozenset({address}) for address, name in NAMES.items()},
}


@dataclass(frozen=True)
class Asked:
    """A request in the past, in the order of their times.

    Attributes:
        seconds_ago: How long ago it was made.
        source: The caller's address.
        path: The path.
        version: 1 or 2 for IMDSv1 or IMDSv2.
        status: Status of the response.
        agent: The user agent.
        faults: Ids of the faults that changed the response.
        microseconds: Duration.
    """

    seconds_ago: float
    source: str
    path: str
    version: int = 2
    status: int = 200
    agent: str = "Boto3/1.40.2 Botocore/1.40.2"
    faults: tuple[str, ...] = ()
    microseconds: int = 118

    @property
    def method(self) -> str:
        """PUT for a token, otherwise GET."""
        return "PUT" if self.path.endswith("/api/token") else "GET"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the journal reads."""
        token = {TOKEN_HEADER: "t"} if self.version == 2 and self.method == "GET" else {}
        return {USER_AGENT_HEADER: self.agent, **token}

    @property
    def response(self) -> Response:
        """The response that the journal reads."""
        ttl = 21600 if self.version == 2 and self.status < 400 else None
        return Response(Head.build(self.status), b"", ttl, faults=self.faults)


@dataclass
class PageMock:
    """A mock with named callers that runs in a thread of its own, on loopback, and can be restarted.

    Attributes:
        document: Its configuration.
        signer: Signs identity documents.
        network: Its callers' names.
        clock: The real time; a test can stop it.
    """

    document: dict[str, Any]
    signer: Signer
    network: FakeNetwork = field(default_factory=lambda: FakeNetwork(dict(NAMES), dict(_HOSTS), names_loopback=True))
    clock: Callable[[], float] = time.time
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _ports: tuple[int, int] = (0, 0)
    _mock: Mock | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start, after a stop on the same ports."""
        port, control_port = self._ports
        document = {
            **self.document,
            "server": {"hosts": ["127.0.0.1"], "port": port, **self.document.get("server", {})},
            "control": {"socket": "", "port": control_port, **self.document.get("control", {})},
        }
        uses = Dependencies(clock=self._now, callers=self.network.registry(), signer=self.signer)
        mock = Mock(document, dependencies=uses)
        loop = self._stack.enter_context(running_loop())
        asyncio.run_coroutine_threadsafe(mock.__aenter__(), loop).result(60)

        def leave() -> None:
            asyncio.run_coroutine_threadsafe(mock.__aexit__(None, None, None), loop).result(60)

        self._stack.callback(leave)
        assert mock.control_sockets is not None
        self._ports = mock.addresses[0].port, mock.control_sockets.addresses[0].port
        self._mock, self._loop = mock, loop

    def stop(self) -> None:
        """Stop."""
        self._stack.close()

    def _now(self) -> float:
        return self.clock()

    @property
    def port(self) -> int:
        """The port of the metadata service."""
        return self._ports[0]

    @property
    def control_url(self) -> str:
        """URL of the control plane."""
        return f"http://127.0.0.1:{self._ports[1]}"

    def url(self, view: str = "") -> str:
        """URL of the page, or of one of its views."""
        return f"{self.control_url}/ui/{view and f'#/{view}'}"

    def get(self, path: str, source: str = WORKER_1, *, token: str = "", agent: str = "Boto3/1.40.2") -> str:
        """GET a path of the metadata service as the container at an address; without a token by IMDSv1."""
        headers = {"User-Agent": agent, **({"X-aws-ec2-metadata-token": token} if token else {})}
        return self._ask("GET", path, source, headers)

    def token(self, source: str = WORKER_1, agent: str = "Boto3/1.40.2") -> str:
        """A session token."""
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": "21600", "User-Agent": agent}
        return self._ask("PUT", "/latest/api/token", source, headers)

    def announce(self, instance: str, name: str, source: str) -> None:
        """Announce an instance and a name, as the shim of the container at an address does."""
        headers = {"X-Imds-Mock-Probe": "page", "X-Imds-Mock-Announcement": announcement(instance, name)}
        assert self._ask("GET", "/", source, headers) == ""

    def _ask(self, method: str, path: str, source: str, headers: Mapping[str, str]) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))
        with contextlib.closing(connection):
            connection.request(method, path, headers=dict(headers))
            return connection.getresponse().read().decode()

    def remember(self, requests: Iterable[Asked]) -> None:
        """Record requests as if they had been made at times in the past."""
        mock, loop = self._mock, self._loop
        assert mock is not None
        assert loop is not None

        async def record() -> None:
            now = mock.clock.real()
            for each in requests:
                request = Request(each.method, each.path, each.path, headers=each.headers)
                exchange = Exchange(each.source, request, each.response)
                mock.journal.record(now - each.seconds_ago, exchange, each.microseconds)

        asyncio.run_coroutine_threadsafe(record(), loop).result(60)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control plane; returns the decoded JSON, if any."""
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[1], timeout=60)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind}
        if token := self.document.get("control", {}).get("token"):
            headers["Authorization"] = f"Bearer {token}"
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 300, content
            return json.loads(content) if content else None


@dataclass
class Watch:
    """What a page reports while a test runs.

    Attributes:
        allowed: Parts of messages that the test causes on purpose.
        messages: Errors and warnings of the console, uncaught exceptions, and violations of the page's policy.
        foreign: URLs of requests to any host but the mock.
    """

    allowed: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def observe(self, context: BrowserContext, host: str) -> None:
        """Collect everything that the pages of a context report.

        Args:
            context: The browser context.
            host: Host and port of the mock.
        """

        def console(said: ConsoleMessage) -> None:
            if said.type in {"error", "warning"}:
                self.messages.append(f"{said.type}: {said.text}")

        def request(made: MadeRequest) -> None:
            if urllib.parse.urlsplit(made.url).netloc != host:
                self.foreign.append(made.url)

        context.on("console", console)
        context.on("weberror", lambda error: self.messages.append(f"uncaught: {error.error}"))
        context.on("request", request)

    def unexpected(self) -> list[str]:
        """The messages that the test has not allowed."""
        return [each for each in self.messages if not any(part in each for part in self.allowed)]


@pytest.fixture(scope="session")
def installed() -> browser_install.Browser:
    return browser_install.install()


@pytest.fixture(scope="session")
def browser(installed: browser_install.Browser) -> Iterator[Browser]:
    # Chromium's sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed.chromium, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def document() -> dict[str, Any]:
    """The mock's configuration; a test overrides it with `pytest.mark.parametrize`."""
    return {"identity": "per-container"}


@pytest.fixture
def mock(document: dict[str, Any], signer: Signer) -> Iterator[PageMock]:
    running = PageMock(document, signer)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def context(browser: Browser, mock: PageMock, watch: Watch) -> Iterator[BrowserContext]:
    """A browser context; at its end, no page may have reported an error or asked another host."""
    made = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    made.set_default_timeout(60_000)
    watch.observe(made, urllib.parse.urlsplit(mock.control_url).netloc)
    yield made
    made.close()
    assert watch.unexpected() == []
    assert watch.foreign == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def violations(page: Page, installed: browser_install.Browser) -> list[str]:
    """What axe finds on the page: rule, help text and the first elements of each violation."""
    # Evaluated by the debugger's protocol, which the page's policy does not apply to.
    page.evaluate(installed.axe.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{each['id']}: {each['help']}: {[node['html'] for node in each['nodes'][:3]]}" for each in found]


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds, up to a minute."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "the condition does not hold"


def take_pictures(page: Page, name: str) -> None:
    """Save the view in light, dark, and at 360 px width, for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    assert size is not None
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 360, "height": 780})
    page.screenshot(path=PICTURES / f"{name}-phone.png", full_page=True)
    page.set_viewport_size(size)
