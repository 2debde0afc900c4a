"""Every example's page: its commands, run in order in its folder."""

from __future__ import annotations

import contextlib
import re
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest

from support.examples import FOLDER, example, steps, with_compose_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

RUNS = dict[str, Future[list[str]]]


@pytest.fixture(scope="module")
def runs(docker: Docker, own_docker: Docker, mock_image: str, shim_image: str) -> Iterator[RUNS]:
    """All pages at once: most of their time is waiting for health checks."""
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    # This one changes the routes of the machine that the engine runs on.
    special = {"link-local-network": own_docker}
    with contextlib.ExitStack() as stack:
        all_of_them = [stack.enter_context(example(special.get(name, docker), name)) for name in with_compose_files()]
        pool = stack.enter_context(ThreadPoolExecutor(len(all_of_them)))
        running = {each.name: pool.submit(each.transcript) for each in all_of_them if each.name not in special}
        # From Docker 28 on, its network blocks 169.254.169.254 for the other pages' projects on the same engine.
        wait(running.values())
        yield running | {each.name: pool.submit(each.transcript) for each in all_of_them if each.name in special}


@pytest.mark.parametrize("name", with_compose_files())
def test_page(runs: RUNS, name: str) -> None:
    assert runs[name].result() == []


def test_the_pages_show_what_is_read() -> None:
    for name in with_compose_files():
        told = steps((FOLDER / name / "README.md").read_text())
        assert [step for step in told if "exec" in step.command and step.printed], name


def test_no_two_pages_share_a_project() -> None:
    pages = [(FOLDER / name / "README.md").read_text() for name in with_compose_files()]
    named = [project for page in pages for project in set(re.findall(r" -p (\S+)", page))]
    assert sorted(set(named)) == sorted(named)


def test_the_compose_files_are_valid(docker: Docker) -> None:
    for file in sorted(FOLDER.glob("*/compose*.yaml")):
        is_complete = "image:" in file.read_text() or "build:" in file.read_text()
        files = [file] if is_complete else [file.with_name("compose.yaml"), file]
        assert (
            docker("compose", *(word for each in files for word in ("--file", each)), "config", "--quiet").stdout == ""
        )
