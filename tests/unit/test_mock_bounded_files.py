"""Files of every kind are read with bounded time and memory, wherever the mock reads one that a user names."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imds_mock import bounded_files
from imds_mock.bounded_files import read_beginning, read_bytes
from imds_mock.build.eks_token import TokenFileError, eks_token
from imds_mock.build.loading import load
from imds_mock.config.containers import EksSettings
from imds_mock.config.errors import ConfigError
from imds_mock.signing.keys import KeyDirectoryError, read_certificates
from support.configurations import NO_FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_WRITTEN = "it is a pipe or a device to which nothing is written"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a pipe without a writer only briefly."""
    monkeypatch.setattr(bounded_files, "PATIENCE_SECONDS", 0.01)


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def sparse(folder: Path) -> Path:
    path = folder / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    return path


def directory(folder: Path) -> Path:
    return folder


def zeros(_folder: Path) -> Path:
    return Path("/dev/zero")


def missing(folder: Path) -> Path:
    (folder / "link").symlink_to(folder / "nowhere")
    return folder / "link"


kinds = pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (fifo, "it is a pipe or a device to which nothing is written"),
        (sparse, "larger than 1048576 bytes"),
        (zeros, "larger than 1048576 bytes"),
        (directory, "Is a directory"),
        (missing, "No such file or directory"),
    ],
)


@kinds
def test_a_configuration_file(kind: Callable[[Path], Path], reason: str, tmp_path: Path) -> None:
    path = kind(tmp_path)
    with pytest.raises(ConfigError, match=reason) as raised:
        load(NO_FLAGS, {}, path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@kinds
def test_a_file_with_user_data(kind: Callable[[Path], Path], reason: str, tmp_path: Path) -> None:
    path = kind(tmp_path)
    config = tmp_path / "mock.yaml"
    config.write_text(f"instance:\n  user_data:\n    file: {path}\n")
    with pytest.raises(ConfigError, match=f"instance.user_data.file: cannot read .*{reason}"):
        load(NO_FLAGS, {}, config)


@kinds
def test_a_certificate(kind: Callable[[Path], Path], reason: str, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/signature.pem").symlink_to(kind(tmp_path))
    with pytest.raises(KeyDirectoryError, match=f"keys/signature.pem: .*{reason}"):
        read_certificates(tmp_path / "keys")


@kinds
def test_a_token_is_only_read_from_a_regular_file(
    kind: Callable[[Path], Path], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request waits for it, so nothing may delay it."""
    monkeypatch.setattr(bounded_files, "PATIENCE_SECONDS", 60.0)
    expected = {fifo: "not a regular file", zeros: "not a regular file", sparse: "larger than 65536 bytes"}
    read = eks_token(EksSettings(token_file=str(kind(tmp_path))), lambda _line: None)
    with pytest.raises(TokenFileError, match=expected.get(kind, reason)):
        read()


def test_a_pipe_with_a_writer_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_files, "PATIENCE_SECONDS", 60.0)
    path = fifo(tmp_path)
    writer = threading.Thread(target=path.write_bytes, args=(b"x" * 300_000,))
    writer.start()
    assert read_bytes(path, 300_000) == b"x" * 300_000
    writer.join()


def test_a_limit_is_the_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert (read_bytes(path, 5), read_beginning(path, 2)) == (b"12345", b"12")
    with pytest.raises(OSError, match="larger than 4 bytes") as raised:
        read_bytes(path, 4)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(path))
