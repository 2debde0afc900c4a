"""Configuration files of tests, and the message that a wrong one causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.build.loading import load
from imds_mock.config.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

NO_FLAGS: dict[str, object] = {}


def written(folder: Path, text: str, name: str = "mock.yaml") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(text)
    return path


def message(file: Path | None = None, environ: dict[str, str] | None = None, **flags: object) -> str:
    """The one-line message about a configuration that is refused.

    Args:
        file: The configuration file.
        environ: Environment variables.
        flags: Settings of the command line, with `__` in place of the dot.
    """
    with pytest.raises(ConfigError) as raised:
        load({key.replace("__", "."): value for key, value in flags.items()}, environ or {}, file)
    text = str(raised.value)
    assert "\n" not in text
    assert raised.value.exit_code == 78
    return text
