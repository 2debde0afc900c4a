"""The folder of a run of `make engines`, without an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import engines_install

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engines_install, "CACHE", tmp_path / "engines")
    return tmp_path / "engines"


def folders(cache: Path) -> set[str]:
    return {each.name for each in cache.iterdir() if each.is_dir()}


def test_a_run_removes_its_own_folder_and_those_of_killed_runs(cache: Path) -> None:
    for left in ("run-killed/docker-1", "docker-trixie"):
        (cache / left).mkdir(parents=True)
    with engines_install.run_folder() as folder:
        assert folders(cache) == {folder.name, "docker-trixie"}
        (folder / "images.tar").touch()
    assert folders(cache) == {"docker-trixie"}


def test_runs_at_the_same_time_keep_their_folders(cache: Path) -> None:
    with engines_install.run_folder() as one:
        with engines_install.run_folder() as other:
            assert folders(cache) == {one.name, other.name}
        assert folders(cache) == {one.name}
