"""A changed file is reloaded once it has settled, and never while it is empty."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imds_mock.run.file_changes import mark, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class DoneError(Exception):
    """Nothing happens any more."""


def taken_over(file: Path, steps: Iterator[Callable[[], object]]) -> list[str]:
    """The content at each reload, while the file changes between two checks."""
    found: list[str] = []

    async def sleep(_seconds: float) -> None:
        step = next(steps, None)
        if step is None:
            raise DoneError
        step()

    async def run() -> None:
        await watch(file, lambda: found.append(file.read_text()), mark(file), sleep)

    try:
        asyncio.run(run())
    except DoneError:
        return found
    raise AssertionError("it never ends by itself")


def nothing() -> None:
    """Time passes."""


def test_a_file_that_is_emptied_and_then_written_is_taken_over_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    steps = [lambda: file.write_text(""), nothing, nothing, lambda: file.write_text("af")]
    steps += [lambda: file.write_text("after"), nothing, nothing, nothing]
    assert taken_over(file, iter(steps)) == ["after"]


def test_a_file_that_goes_and_comes_back_is_taken_over_once(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("before")
    other.write_text("after")
    steps = [file.unlink, nothing, lambda: other.rename(file), nothing, nothing, nothing]
    assert taken_over(file, iter(steps)) == ["after"]
