"""A restarted mock remembers what containers have announced, over real sockets: `callers.announced_file`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.announcing import OTHER_KEY, announce, refusal_of
from support.callers import FakeNetwork
from support.mockcontrol import DrivenMock, driven_mock

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

WORKER, OTHER = "127.0.0.3", "127.0.0.4"
MACS = {WORKER: "a6:00:00:00:00:03", OTHER: "a6:00:00:00:00:04"}
FACTS = "role=worker-role,tags.Name=worker,user_data=hunter2"
SHARED_ID = "i-1234567890abcdef0"
ROLE, ID = "meta-data/iam/security-credentials", "meta-data/instance-id"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state/announced.json"


def run(file: Path, macs: dict[str, str] | None = None, **document: Any) -> AbstractContextManager[DrivenMock]:
    """A mock on a network without names, which sees these hardware addresses."""
    document["callers"] = {"announced_file": str(file), **document.get("callers", {})}
    network = FakeNetwork(own_addresses=(), names_loopback=True, macs=dict(MACS if macs is None else macs))
    return driven_mock(file.parent.parent, document, network)


def read(mock: DrivenMock, path: str, source: str = WORKER) -> str:
    answer = mock.get(f"/latest/{path}", source)
    assert answer.status == 200, answer
    return answer.body.decode()


def until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < limit, "it does not happen"


def test_a_restarted_mock_knows_who_its_callers_are(file: Path) -> None:
    with run(file) as mock:
        announce(mock, FACTS, "worker-1", WORKER)
        before = read(mock, ID)
        assert (before != SHARED_ID, read(mock, ID, OTHER)) == (True, SHARED_ID)
    with run(file) as mock:
        # An event finds the name before its container has asked.
        event = mock.do("POST", "/v1/events", {"kind": "spot", "target": "worker-1"})
        assert (event["callers"], event["warning"], event["addresses"]) == (1, None, [WORKER])
        assert mock.get("/latest/meta-data/spot/instance-action", WORKER).status == 200
        assert mock.get("/latest/meta-data/spot/instance-action", OTHER).status == 404
        assert [read(mock, path) for path in (ID, ROLE, "user-data")] == [before, "worker-role", "hunter2"]
        assert (read(mock, ID, OTHER), read(mock, ROLE, OTHER)) == (SHARED_ID, "my-role")


def test_the_file_is_written_while_the_mock_runs_and_only_its_user_can_read_it(file: Path) -> None:
    with run(file) as mock:
        assert file.read_text() == "[\n\n]\n"
        announce(mock, FACTS, "worker-1", WORKER)
        announce(mock, None, None, OTHER, OTHER_KEY)
        until(lambda: OTHER in file.read_text())
        assert file.stat().st_mode & 0o777 == 0o600
        first, second = json.loads(file.read_text())
        assert (first["address"], first["name"], first["mac"]) == (WORKER, "worker-1", MACS[WORKER])
        assert first["instance"] == {"role": "worker-role", "tags": {"Name": "worker"}, "user_data": "hunter2"}
        assert second == {"address": OTHER, "key": OTHER_KEY, "mac": MACS[OTHER]}
        mock.do("DELETE", f"/v1/announcements?caller={WORKER}")
        until(lambda: WORKER not in file.read_text())
        assert list(file.parent.iterdir()) == [file]
    with run(file) as mock:
        assert read(mock, ID) == SHARED_ID


def test_an_application_cannot_announce_after_a_restart_of_the_mock(file: Path) -> None:
    """Without the file, the first announcement after a restart would hold, also an application's."""
    with run(file) as mock:
        announce(mock, "role=worker-role", None, WORKER)
        announce(mock, None, None, OTHER)
    with run(file) as mock:
        for source, before in ((WORKER, "something else"), (OTHER, "nothing")):
            refusal = refusal_of(announce(mock, "role=admin", None, source, OTHER_KEY))
            assert f"announced {before} before" in refusal
        # The container's next start announces the same again.
        assert announce(mock, "role=worker-role", None, WORKER, OTHER_KEY).status == 204
        assert [read(mock, ROLE, source) for source in (WORKER, OTHER)] == ["worker-role", "my-role"]


def test_another_container_at_the_address_does_not_inherit(file: Path) -> None:
    with run(file) as mock:
        announce(mock, FACTS, "worker-1", WORKER)
    with run(file, {WORKER: "a6:00:00:00:00:99"}) as mock:
        assert (read(mock, ID), read(mock, ROLE)) == (SHARED_ID, "my-role")
        until(lambda: WORKER not in file.read_text())


def test_the_current_configuration_decides_what_holds(file: Path) -> None:
    with run(file) as mock:
        announce(mock, "role=admin,tags.Name=a", "worker-1", WORKER)
    with run(file, callers={"announced": "named"}) as mock:
        assert read(mock, ROLE) == "my-role"
    with run(file, callers={"announced": "off"}) as mock:
        assert read(mock, ID) == SHARED_ID
    with run(file) as mock:
        assert read(mock, ROLE) == "admin"


@pytest.mark.parametrize("content", ["", "{", '[{"address": "no"}]', '[{"address": "worker", "key": "0"}]', "[" * 99])
def test_a_broken_file_costs_what_it_had_and_nothing_else(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with run(file) as mock:
        assert read(mock, ID) == SHARED_ID
        assert announce(mock, FACTS, "worker-1", WORKER).status == 204
    with run(file) as mock:
        assert read(mock, ROLE) == "worker-role"
