"""Scenarios from files: YAML, or JSON, which is YAML too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import read_yaml
from imds_mock.events.scenario import Scenario
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from pathlib import Path


def read_scenario_file(path: Path) -> Scenario:
    """Read a scenario.

    Args:
        path: The file.

    Raises:
        ConfigError: It cannot be read, or is no scenario; the message names the place.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
    try:
        scenario = msgspec.convert(read_yaml(text, str(path)), Scenario, strict=False)
        scenario.timeline(0.0)
    except (msgspec.ValidationError, FieldError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return scenario
