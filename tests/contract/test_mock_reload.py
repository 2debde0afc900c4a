"""The configuration read anew: whole or not at all, and nobody who asks meanwhile gets a wrong answer."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from imds_mock.build.loading import from_document, load
from imds_mock.config.settings import FIXED_SECTIONS, Config
from imds_mock.run.reloading import Reloader
from support.mockcontrol import DrivenMock, driven_mock
from support.mockserver import head, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


RELOADS = 1000


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path) as running:
        yield running


def reload(mock: DrivenMock, read: Callable[[], Config], times: int = 1) -> list[str]:
    """Reload on the mock's own thread; its log. Fixed sections are the mock's own unless `read` sets them."""
    log: list[str] = []

    def with_fixed_sections() -> Config:
        config, current = read(), mock.runtime.state.config
        unset = [section for section in FIXED_SECTIONS if getattr(config, section) == getattr(Config(), section)]
        return replace(config, **{section: getattr(current, section) for section in unset})

    async def run() -> None:
        reloader = Reloader(mock.runtime.state, with_fixed_sections, log.append, mock.runtime.reloads)
        for _ in range(times):
            await reloader.reload()

    asyncio.run_coroutine_threadsafe(run(), mock.loop).result(600)
    return log


@pytest.mark.parametrize(
    "document",
    [
        lambda leaf, region: {"metadata": leaf, "instance": {"region": region}},
        lambda leaf, region: {
            "metadata": leaf,
            "compatibility": "aemm",
            "aemm": {"metadata.values.placement-region": region},
        },
    ],
    ids=["imds", "aemm"],
)
def test_a_thousand_reloads_under_load_give_no_wrong_answer(
    mock: DrivenMock, document: Callable[[dict[str, str], str], dict[str, Any]]
) -> None:
    """Each of two configurations has a leaf that the other one lacks, and another value of a common one."""
    states = [document({"meta-data/one": "1"}, "eu-west-1"), document({"meta-data/two": "2"}, "eu-west-2")]
    number = iter(range(RELOADS + 1))
    done = threading.Event()
    answers: dict[str, int] = {}
    wrong: list[Any] = []

    def ask() -> None:
        import socket

        with socket.create_connection(("127.0.0.1", mock.port), 60) as client:
            while not done.is_set():
                for path in ("meta-data", "meta-data/one", "meta-data/two", "meta-data/placement/region"):
                    client.sendall(head("GET", f"/latest/{path}/", Connection="keep-alive").encode())
                    answer = read_answer(client)
                    names = answer.body.split(b"\n")
                    right = {
                        "meta-data": answer.status == 200 and (b"one" in names) != (b"two" in names),
                        "meta-data/one": (answer.status, answer.body[:1]) == (200, b"1") or answer.status == 404,
                        "meta-data/two": (answer.status, answer.body[:1]) == (200, b"2") or answer.status == 404,
                        "meta-data/placement/region": answer.body in {b"eu-west-1", b"eu-west-2"},
                    }[path]
                    key = f"{path} {answer.status} {answer.body.decode()[:9] if 'region' in path else ''}"
                    answers[key] = answers.get(key, 0) + 1
                    if not right:
                        wrong.append((path, answer))

    reload(mock, lambda: from_document(states[next(number) % 2]))
    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        log = reload(mock, lambda: from_document(states[next(number) % 2]), RELOADS)
    finally:
        done.set()
        for client in clients:
            client.join()
    assert wrong == []
    assert log == ["configuration reloaded"] * RELOADS
    assert mock.runtime.reloads == {"applied": RELOADS + 1, "refused": 0}
    assert len(answers) == 7, f"both configurations were seen by the clients: {answers}"


def test_what_cannot_be_stays_out_and_the_log_says_why(mock: DrivenMock, tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text("instance: {regio: eu-west-1}\n")
    before = mock.runtime.state.config
    (line,) = reload(mock, lambda: load({}, {}, file))
    assert line.startswith("cannot reload the configuration, keeping the previous one: ")
    assert "instance.regio" in line
    assert mock.runtime.state.config is before
    assert mock.get("/latest/meta-data/placement/region").body == b"us-east-1"
    assert mock.runtime.reloads == {"applied": 0, "refused": 1}


def test_contradictions_are_found_before_anything_changes(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot"})
    (line,) = reload(mock, lambda: from_document({"metadata": {"meta-data/spot": "x"}}))
    assert "meta-data/spot" in line
    assert mock.get("/latest/meta-data/spot/instance-action").status == 200


def test_events_outlive_a_reload_and_run_time_changes_do_not(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot"})
    mock.do("PUT", "/v1/metadata/meta-data/placement/region", {"value": "eu-west-1"})
    reload(mock, lambda: from_document({"instance": {"instance_type": "m7g.large"}}))
    assert mock.get("/latest/meta-data/spot/instance-action").status == 200
    assert mock.get("/latest/meta-data/placement/region").body == b"us-east-1"
    mock.do("POST", "/v1/reset")
    assert mock.get("/latest/meta-data/instance-type").body == b"m7g.large"


def test_what_only_a_start_can_change_is_said(mock: DrivenMock) -> None:
    log = reload(mock, lambda: from_document({"server": {"port": 4711}, "metadata": {"meta-data/x": "1"}}))
    assert log == ["configuration reloaded", "changes to section server take effect at the next start"]
    assert mock.get("/latest/meta-data/x").status == 200
    assert mock.runtime.state.config.server.port == 0
