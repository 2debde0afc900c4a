"""Scenarios from files: YAML, or JSON, which is YAML too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.config.errors import ConfigError, Problem
from imds_mock.config.plain_documents import read_document_text, read_yaml
from imds_mock.events.scenario import read_scenario
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from pathlib import Path

    from imds_mock.events.scenario import Scenario


def read_scenario_file(path: Path) -> Scenario:
    """Read a scenario.

    Args:
        path: The file.

    Raises:
        ConfigError: It cannot be read, or does not fit; names every field that does not.
    """
    return read_scenario_text(read_document_text(path), str(path))


def read_scenario_text(text: str, name: str) -> Scenario:
    """Read a scenario.

    Args:
        text: YAML or JSON.
        name: What an error calls it.

    Raises:
        ConfigError: It does not fit; names every field that does not.
    """
    if not text.strip():
        raise ConfigError(f"{name}: expected a scenario with steps, got nothing")
    try:
        return read_scenario(read_yaml(text, name), is_strict=False)
    except FieldError as error:
        raise ConfigError([Problem(f"{name}: {problem}") for problem in error.problems]) from error
