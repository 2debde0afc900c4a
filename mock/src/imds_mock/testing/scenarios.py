"""Scenarios in tests: reading the argument of `play`, and the events and faults that a scenario has armed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from imds_mock.config.errors import ConfigError, Problem
from imds_mock.config.plain_documents import read_document_text
from imds_mock.events.scenario import Scenario, read_scenario, read_scenario_text
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = "scenario"


class _Handle(Protocol):
    def remove(self) -> None: ...


EventT = TypeVar("EventT", bound=_Handle)
FaultT = TypeVar("FaultT", bound=_Handle)


class PlayedScenario(Generic[EventT, FaultT]):
    """The events and faults of a started scenario. `with` and `async with` remove them at the end of the block.

    Attributes:
        events: Handles of its events, in the order of its steps.
        faults: Handles of its faults, in the order of its steps.
    """

    def __init__(self, events: Sequence[EventT], faults: Sequence[FaultT]) -> None:
        self.events = tuple(events)
        self.faults = tuple(faults)

    def remove(self) -> None:
        """Remove its events and faults without a trace; does nothing the second time."""
        for each in (*self.events, *self.faults):
            each.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.remove()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.remove()


def scenario_of(source: Scenario | Mapping[str, Any] | str | os.PathLike[str]) -> Scenario:
    """The scenario that a test passes.

    Args:
        source: A scenario, a mapping as in a file, YAML or JSON text, or the path of a file. A `str` is text if it has
            several lines or begins with a brace, otherwise a path.

    Raises:
        ConfigError: The file cannot be read, or the scenario is invalid; names every wrong field.
    """
    if isinstance(source, Scenario):
        return source
    if isinstance(source, Mapping):
        try:
            return read_scenario(source)
        except FieldError as error:
            raise ConfigError([Problem(f"{_NAME}: {problem}") for problem in error.problems]) from error
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{")):
        return read_scenario_text(source, _NAME)
    path = Path(os.fspath(source))
    return read_scenario_text(read_document_text(path), str(path))
