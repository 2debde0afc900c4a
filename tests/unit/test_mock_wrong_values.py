"""Every field of every body and query of the API, and every setting: a wrong value is refused in our own words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.build.loading import load
from imds_mock.config.errors import ConfigError, dotted
from imds_mock.config.settings import Config
from imds_mock.config.sources import key_types
from imds_mock.violations.words import bare_type, fields_of, is_struct, options, tag_of
from support.held_mock import HeldMock
from support.library_wording import LIBRARY_WORDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.control.operations import Operation
    from imds_mock.signing.signer import Signer

WRONG: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    399,
    1e300,
    "",
    "wrong \u00e4\n",
    "=",
    [],
    [[]],
    {},
    {"a": {"b": 1}},
    [None],
    "9" * 99,
)
ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
WRONG_SETTINGS: Final[tuple[Any, ...]] = ("wrong \u00e4\n", {"a": {"b": 1}}, 1e300)
"""Fewer, because each one makes the mock look at a whole configuration."""
# Types as msgspec writes them, and its bounds.
TYPES: Final = re.compile(
    r"`(int|str|float|bool|array|object|null)( \| \w+)*`, got|Expected|>= \d|<= \d|matching regex|of length"
)


@pytest.fixture(scope="module")
def mock(signer: Signer) -> Iterator[HeldMock]:
    held = HeldMock(signer)
    yield held
    held.close()


def places(kind: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every field below a type; a pair in it sets the tag of a mapping, a 0 is the item of a list."""
    for bare in map(bare_type, options(kind)):
        if is_struct(bare):
            tag = bare.__struct_config__.tag_field
            here = (*above, (tag, tag_of(bare))) if tag else above
            for known in fields_of(bare):
                yield (*here, known.encode_name)
                if len(above) < 8:
                    yield from places(known.type, (*here, known.encode_name))
        elif getattr(bare, "__origin__", None) in {tuple, list}:
            yield from places(bare.__args__[0], (*above, 0))


def written(path: tuple[Any, ...], value: Any) -> Any:
    """A document with one value at a path."""
    for part in reversed(path):
        tagged = {part[0]: part[1], **value} if isinstance(part, tuple) else {part: value}
        value = [value] if part == 0 else tagged
    return value


def operations(mock: HeldMock) -> list[Operation]:
    return [each for each in mock.operations if each.path != "/v1/requests/stream"]


def bodies(mock: HeldMock) -> list[tuple[Operation, tuple[Any, ...]]]:
    found = []
    for operation in operations(mock):
        if (operation.method, operation.body_schema) == ("PUT", Config):
            continue  # the same fields as PATCH
        kinds = [kind for kind in (operation.body_schema, operation.body) if kind not in {None, dict[str, Any]}][:1]
        found += [(operation, path) for kind in kinds for path in places(kind)]
    return found


def refusal(mock: HeldMock, operation: Operation, body: Any, query: str = "") -> str:
    path = re.sub(r"{[^}]*}", "x", operation.path) + query
    reply = mock.call(operation.method, path, body)
    assert reply.status < 500, reply.body
    return "" if reply.status < 400 else str(reply.json["detail"])


def is_ours(sentence: str) -> bool:
    return sentence.isprintable() and not LIBRARY_WORDING.search(sentence) and not TYPES.search(sentence)


def test_every_field_of_every_body_refuses_wrong_values_in_our_own_words(mock: HeldMock) -> None:
    places_of_bodies = bodies(mock)
    assert len(places_of_bodies) > 300
    for operation, path in places_of_bodies:
        values = WRONG_SETTINGS if operation.body_schema is Config else WRONG
        refusals = [refusal(mock, operation, written(path, value)) for value in values]
        assert all(is_ours(line) for text in refusals for line in text.split("\n")), (operation.path, path, refusals)
        field = [part for part in path if isinstance(part, str)][-1]
        assert any(field in text for text in refusals) or field in {"value", "description"}, (operation.path, path)


def test_every_parameter_of_every_query_refuses_wrong_values_in_our_own_words(mock: HeldMock) -> None:
    for operation in operations(mock):
        for known in fields_of(operation.query):
            for value in ("", "-1", "9" * 99, "wrong \u00e4\n", "[", "2026-99-99T99:99:99Z"):
                text = refusal(mock, operation, None, f"?{known.encode_name}={quote(value)}")
                assert all(map(is_ours, text.split("\n"))), (operation.path, known.encode_name, text)


@given(st.data())
def test_anything_in_any_field_is_accepted_or_refused_in_our_own_words(mock: HeldMock, data: st.DataObject) -> None:
    operation, path = data.draw(st.sampled_from(bodies(mock)))
    text = refusal(mock, operation, written(path, data.draw(ANYTHING)))
    assert all(map(is_ours, text.split("\n"))), (operation.path, path, text)


@pytest.mark.parametrize("key", [dotted(path) for path in key_types()])
def test_every_setting_refuses_wrong_values_in_our_own_words(key: str) -> None:
    for value in (*WRONG, "[", "{a: b}", "- x: [", "&a [*a]"):
        for sentence in problems(key, value):
            assert is_ours(sentence)
            assert key.rpartition(".")[2] in sentence


def problems(key: str, value: Any) -> list[str]:
    try:
        load({key: value}, {}, None)
    except ConfigError as error:
        return [problem.sentence for problem in error.problems]
    return []


@pytest.mark.parametrize(("kind", "value"), [(int, "x"), (Annotated[int, msgspec.Meta(ge=400)], 1), (list[int], 1)])
def test_the_words_of_the_library_are_recognized(kind: Any, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, kind)
    assert not is_ours(str(error.value))
