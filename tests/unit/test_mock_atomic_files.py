"""Files that are replaced as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from imds_mock import atomic_files

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_with_its_mode_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    atomic_files.replace(path, b"new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    atomic_files.replace(path, b"newer", 0o644)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("newer", 0o644)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_symbolic_link_is_replaced_and_its_target_is_not(tmp_path: Path) -> None:
    path, target = tmp_path / "file", tmp_path / "target"
    target.write_text("another user's")
    path.symlink_to(target)
    atomic_files.replace(path, b"new")
    assert (path.read_text(), path.is_symlink(), target.read_text()) == ("new", False, "another user's")


def test_a_file_that_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_files.replace(folder, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_only_regular_files_and_free_names_may_be_replaced(tmp_path: Path) -> None:
    regular, pipe, link = tmp_path / "regular", tmp_path / "pipe", tmp_path / "link"
    regular.touch()
    os.mkfifo(pipe)
    link.symlink_to(regular)
    atomic_files.require_replaceable(regular)
    atomic_files.require_replaceable(tmp_path / "free")
    for each in (pipe, link, tmp_path):
        with pytest.raises(FileExistsError, match="it exists and is not a regular file"):
            atomic_files.require_replaceable(each)
