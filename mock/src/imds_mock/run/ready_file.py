"""The file that says that a mock answers, and where."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imds_mock.atomic_files import require_replaceable
from imds_mock.errors import EX_CANTCREAT, MockError

if TYPE_CHECKING:
    from imds_mock.run.mock import Mock

_MODE = 0o644


class ReadyFileError(MockError):
    """The file cannot be written.

    Args:
        path: The file.
        reason: Why not.
    """

    exit_code = EX_CANTCREAT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write the ready file {path}: {reason}; choose another --ready-file")


class ReadyFile:
    """A file that appears as a whole once the mock answers, and is removed when it ends.

    Args:
        path: The file. One that an earlier run has left is removed now.

    Raises:
        ReadyFileError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary: Path | None = None
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            os.close(descriptor)
            self._temporary = Path(temporary)
            require_replaceable(path)
            path.unlink(missing_ok=True)
        except OSError as error:
            if self._temporary is not None:
                self._temporary.unlink()
            raise ReadyFileError(path, error.strerror or str(error)) from error

    def write(self, mock: Mock) -> None:
        """Write where the mock answers.

        Raises:
            ReadyFileError: It cannot be written.
        """
        assert self._temporary is not None  # noqa: S101 - set by the constructor
        try:
            self._temporary.write_text(json.dumps(_contents(mock), indent=2) + "\n")
            self._temporary.chmod(_MODE)
            self._temporary.rename(self._path)
        except OSError as error:
            raise ReadyFileError(self._path, error.strerror or str(error)) from error
        self._temporary = None

    def remove(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            (self._temporary or self._path).unlink(missing_ok=True)


def _contents(mock: Mock) -> dict[str, Any]:
    control_url = mock.control_url
    return {
        "pid": os.getpid(),
        "endpoint_url": mock.endpoint_url,
        "port": urlsplit(mock.endpoint_url).port,
        "control_url": control_url,
        "control_port": None if control_url is None else urlsplit(control_url).port,
    }
