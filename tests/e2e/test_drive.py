"""The control plane with real containers: events for one application, faults, the journal, and access."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.containers import IMDS, Docker
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND_APPLICATION = """
services:
  other:
    image: imds-shim-debug
    environment: {MOCK_HOSTNAME: mock_metadata}
    command: [sleep, "3600"]
    stop_signal: SIGKILL
    cap_add: [NET_ADMIN]
"""
SPOT = f"{IMDS}/latest/meta-data/spot/instance-action"


class Stack:
    """The compose file of this repository with a second application."""

    def __init__(self, docker: Docker, override: Path) -> None:
        self.docker = docker
        files = ("--file", str(ROOT / "docker-compose.yml"), "--file", str(override))
        self._words = ("compose", "--project-name", docker.name(), *files)

    def __call__(self, *words: str, check: bool = True) -> Any:
        return self.docker(*self._words, *words, check=check)

    def ctl(self, *words: str, check: bool = True) -> Any:
        return self("exec", "-T", "mock_metadata", "imds-mock", "ctl", *words, check=check)

    def status(self, service: str, url: str, *options: str) -> str:
        """The HTTP status that an application gets."""
        words = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options, url)
        return str(self("exec", "-T", service, *words, check=False).stdout)


@pytest.fixture(scope="module")
def started(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    override = tmp_path_factory.mktemp("compose") / "second-application.yml"
    override.write_text(SECOND_APPLICATION)
    stack = Stack(docker, override)
    try:
        stack("up", "--build", "--detach", "--wait")
        for service in ("debug", "other"):
            docker.await_log(stack("ps", "--quiet", service).stdout.strip(), " -> ")
        yield stack
    finally:
        stack("down", "--volumes", "--timeout", "0")


@pytest.fixture
def stack(started: Stack) -> Stack:
    started.ctl("reset")
    started.ctl("requests", "--clear")
    return started


def test_only_the_target_sees_the_interruption_and_its_clock_runs(stack: Stack) -> None:
    assert (stack.status("debug", SPOT), stack.status("other", SPOT)) == ("404", "404")
    before = time.time()
    event = json.loads(stack.ctl("spot", "interrupt", "--target", "other", "--json").stdout)
    assert len(event["addresses"]) == 1
    assert (stack.status("debug", SPOT), stack.status("other", SPOT)) == ("404", "200")
    notice = json.loads(stack("exec", "-T", "other", "curl", "-s", SPOT).stdout)
    left = datetime.fromisoformat(notice["time"]).timestamp() - before
    assert notice["action"] == "terminate"
    assert 119 <= left <= 150
    seen = json.loads(stack.ctl("notices", "--json").stdout)
    assert [(each["caller"], each["subject"]) for each in seen] == [(event["addresses"][0], "spot-interruption")]
    stack.ctl("events", "cancel", event["id"])
    assert stack.status("other", SPOT) == "404"


def test_whoever_speaks_version_one_is_named(stack: Stack) -> None:
    assert stack.ctl("assert", "--no-imdsv1", check=False).returncode == 1
    assert stack.ctl("assert", "--no-imdsv1", "--allow-empty").returncode == 0
    assert stack.status("debug", f"{IMDS}/latest/meta-data/instance-id") == "200"
    failed = stack.ctl("assert", "--no-imdsv1", check=False)
    assert failed.returncode == 1
    named = json.loads(stack.ctl("requests", "--caller", "debug", "--json").stdout)
    assert named[-1]["caller"] in failed.stderr
    assert stack.ctl("assert", "--no-imdsv1", "--caller", "other").returncode == 0
    assert stack.ctl("assert", "--no-imdsv1", "--caller", "othre", check=False).returncode == 1


def test_a_fault_hits_one_application(stack: Stack) -> None:
    stack.ctl("fault", "add", "status", "503", "--retry-after", "1", "--target", "debug", "--path", "*/instance-id")
    url = f"{IMDS}/latest/meta-data/instance-id"
    assert (stack.status("debug", url), stack.status("other", url)) == ("503", "200")


def test_no_application_reaches_the_control_plane(stack: Stack) -> None:
    for path in ("/healthz", "/v1/status", "/metrics"):
        assert stack.status("debug", f"http://mock_metadata:1339{path}") == "403"
        assert stack.status("debug", f"{IMDS}{path}") == "404"
    assert stack.status("debug", f"{IMDS}:1339/healthz", "--max-time", "3") != "200"
    assert stack.status("debug", "http://mock_metadata:1339/v1/reset", "-X", "POST") == "403"


def test_the_host_reaches_it_through_the_published_port(stack: Stack) -> None:
    port = stack("port", "mock_metadata", "1339").stdout.strip().rpartition(":")[2]
    ctl = ("ctl", "status", "--json", "--url", f"http://127.0.0.1:{port}")
    done = stack.docker("run", "--rm", "--network", "host", "imds-mock", *ctl)
    assert json.loads(done.stdout)["instance_id"] == "i-1234567890abcdef0"


def test_it_can_be_driven_on_a_read_only_file_system_as_any_user(stack: Stack) -> None:
    options = ("--read-only", "--user", "4711:4711", "--cap-drop", "ALL")
    with stack.docker.container("imds-mock", options=options) as mock:
        stack.docker.await_log(mock, "control plane on unix:")
        assert "instance_id" in stack.docker("exec", mock, "imds-mock", "ctl", "status").stdout
