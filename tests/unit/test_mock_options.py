"""Command-line options made from the fields of a structure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from imds_mock.scheduling.options import METAVAR, POSITIONAL, Option, in_a_sentence, options_of
from imds_mock.scheduling.schedule import Duration


class Tide(msgspec.Struct, frozen=True, kw_only=True, rename={"in_": "in"}):
    """A structure with a field of each sort."""

    in_: Annotated[Duration | None, Meta(description="Time until the tide (default: now).")] = None
    height: Annotated[int, Meta(description="Height, up to `wave_height`.", ge=0, le=9)]
    wave_height: Annotated[float, Meta(description="Height of a `wave`.")] = 1.5
    count: Annotated[
        Annotated[int, Meta(ge=1, le=5)] | None,
        Meta(description="How many (default: no limit).", extra={METAVAR: "N"}),
    ] = None
    least: Annotated[int, Meta(description="At least this.", ge=3)] = 3
    turns: Annotated[bool, Meta(description="Turn back.")] = True
    warns: Annotated[bool, Meta(description="Warn first.")] = False
    moon: Annotated[Literal["new", "full"], Meta(description="Moon.")] = "new"
    place: Annotated[Literal["sea", "bay"], Meta(description="HTTP place.", extra={POSITIONAL: True})]


OPTIONS = {option.field: option for option in options_of(Tide)}


@pytest.mark.parametrize(
    "option",
    [
        Option("in", "--in", "DURATION", "time until the tide (default: now)", str, (), False, None),
        Option("height", "--height", None, "height, up to --wave-height (0 to 9)", int, (), True, None),
        Option("wave_height", "--wave-height", None, "height of a `wave` (default: 1.5)", float, (), False, None),
        Option("count", "--count", "N", "how many (1 to 5; default: no limit)", int, (), False, None),
        Option("least", "--least", None, "at least this (default: 3)", int, (), False, None),
        Option("turns", "--no-turns", None, "do not turn back", str, (), False, False),
        Option("warns", "--warns", None, "warn first", str, (), False, True),
        Option("moon", "--moon", None, "moon (default: new)", str, ("new", "full"), False, None),
        Option("place", None, "PLACE", "HTTP place: sea, bay", str, ("sea", "bay"), True, None),
    ],
    ids=lambda option: option.field,
)
def test_an_option_says_what_its_field_does(option: Option) -> None:
    assert OPTIONS[option.field] == option


def test_the_options_are_those_of_all_fields_in_their_order() -> None:
    assert list(OPTIONS) == [known.encode_name for known in msgspec.structs.fields(Tide)]


@pytest.mark.parametrize(
    ("text", "written"), [("Time.", "time"), ("A time.", "a time"), ("HTTP status", "HTTP status"), ("", "")]
)
def test_a_description_fits_into_a_sentence(text: str, written: str) -> None:
    assert in_a_sentence(text) == written
