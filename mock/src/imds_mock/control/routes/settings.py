"""The settings, each with its source: the default, a file, a variable, an option, or a change while the mock runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from imds_mock.build.loading import document_of
from imds_mock.config.errors import dotted
from imds_mock.config.settings import Config
from imds_mock.config.sources import key_types
from imds_mock.control.operations import Operation
from imds_mock.control.secrets import masked

if TYPE_CHECKING:
    from imds_mock.config.errors import KeyPath
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call

CHANGED: Final = "control plane"
DEFAULT: Final = "default"
_GIVEN: Final = "start"
_DERIVED: Final = object()  # distinct from null, which means that a setting has no value


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting with its source."""

    key: Annotated[str, Meta(description="Dotted key.")]
    value: Annotated[Any, Meta(description="The value in force; secrets are masked; null also if it is derived.")]
    at_start: Annotated[Any, Meta(description="The value after a reset; secrets are masked.")]
    source: Annotated[
        str,
        Meta(
            description="`default`; `control plane` for a change while the mock runs; `command line`; the name of a "
            "variable; the path of a file; `start` if the program that started the mock did not say."
        ),
    ]


class SettingRoutes:
    """The operation on settings with their sources."""

    group: Final = "configuration"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """List the operations."""
        summary = "List the settings with the source of each value"
        return [Operation("GET", "/v1/settings", summary, self.list, tuple[Setting, ...])]

    async def list(self, _call: Call) -> tuple[Setting, ...]:
        """List the settings."""
        now, start, default = map(document_of, (self._state.config, self._state.start, Config()))
        shown, shown_at_start = masked(now), masked(start)
        places = self._context.places
        return tuple(
            Setting(
                key=dotted(path),
                value=_shown(_at(shown, path)),
                at_start=_shown(_at(shown_at_start, path)),
                source=_source(_at(now, path), _at(start, path), _at(default, path), places.get(dotted(path))),
            )
            for path in key_types()
        )


def _source(now: Any, start: Any, default: Any, place: str | None) -> str:
    if now != start:
        return CHANGED
    return place or (DEFAULT if start == default else _GIVEN)


def _at(document: Any, path: KeyPath) -> Any:
    for part in path:
        document = document.get(part, _DERIVED)
    return document


def _shown(value: Any) -> Any:
    return None if value is _DERIVED else value
