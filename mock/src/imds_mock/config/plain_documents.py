"""Readers of JSON and YAML: mappings with unique text keys, lists, text and None.

In YAML every plain scalar except null is read as text (`012345678901` and `1.10` stay as written, `no` is not false);
the schema decides its type. JSON also has numbers and booleans.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.bounded_files import read_beginning
from imds_mock.config.document_limits import MAX_BYTES, BeyondError, excess, require_bounds
from imds_mock.config.errors import ConfigError
from imds_mock.violations.hiding import is_word
from imds_mock.violations.syntax import json_problem, yaml_problem

if TYPE_CHECKING:
    from pathlib import Path

_TEXT: Final = "tag:yaml.org,2002:str"
_BOOLEAN: Final = "tag:yaml.org,2002:bool"
_NUMBER: Final = "!written-number"
_NOTHING: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
# YAML 1.2; YAML 1.1 also has `yes`, `on` and others.
_TRUE_OR_FALSE: Final = re.compile("(?:true|True|TRUE|false|False|FALSE)$")
_DECIMAL: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")


class NotJsonError(ConfigError):
    """Text that is not valid JSON."""


def read_document_text(path: Path) -> str:
    """Read the text of a file, at most `MAX_BYTES` of it.

    Raises:
        ConfigError: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        content = read_beginning(path, MAX_BYTES + 1)
        require_size(len(content), str(path))
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}; save it as UTF-8"
        ) from error
    return text


def require_size(size: int, name: str) -> None:
    """Check the size of a document.

    Raises:
        ConfigError: It is larger than `MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_BYTES} bytes, the limit of a document")


class WrittenNumber(str):
    """A number of a YAML document as it is written."""

    __slots__ = ()


def read_yaml(text: str, name: str, *, typed: bool = False) -> Any:
    """Read YAML into mappings, lists, text and None.

    Args:
        text: The YAML.
        name: What an error calls it.
        typed: Whether unquoted `true` and `false` are booleans, and unquoted decimal numbers `WrittenNumber`.

    Raises:
        ConfigError: It is not valid YAML, or exceeds a limit.
    """
    import yaml  # noqa: PLC0415 - a start without a file does not pay for it

    require_size(len(text.encode("utf-8", "surrogateescape")), name)
    try:
        loader = _text_loader(typed=typed)
        require_bounds(text, loader)
        return yaml.load(text, loader)  # noqa: S506 - a SafeLoader with fewer types
    except BeyondError as error:
        raise ConfigError(f"{name}: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(
            f"{place}: is not valid YAML: {yaml_problem(error.problem or error.context or '')}"
        ) from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{name}: is not valid YAML: {yaml_problem(str(error))}") from error


def read_json(text: str, name: str) -> Any:
    """Read JSON.

    Raises:
        NotJsonError: It is not valid JSON.
        ConfigError: It has a key twice in one mapping, or exceeds a limit.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    require_size(len(encoded), name)
    if beyond := excess(encoded):
        raise ConfigError(f"{name}: {beyond}")

    def require_unique(pairs: list[tuple[str, Any]]) -> None:
        key, count = Counter(key for key, _ in pairs).most_common(1)[0] if pairs else ("", 0)
        if count > 1:
            raise ConfigError(f"{name}: {_repeated(key)}")

    try:
        document = msgspec.json.decode(encoded)
    except msgspec.DecodeError as error:
        raise NotJsonError(f"{name}: is not valid JSON: {json_problem(text)}") from error
    # msgspec keeps the last value of a repeated key.
    json.loads(text, object_pairs_hook=require_unique, parse_int=str, parse_float=str)
    return document


def _repeated(key: str) -> str:
    """The sentence about a repeated key; it names the key unless that may be a secret in the wrong place."""
    return f"the key{f' {key!r}' if is_word(key) else ''} appears twice in one mapping; write it once"


@cache
def _text_loader(*, typed: bool) -> Any:
    import yaml  # noqa: PLC0415 - a start without a file does not pay for it

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C library may be missing

    class TextLoader(base):  # type: ignore[misc]  # chosen while running
        """A safe loader that keeps scalars as they are written and refuses repeated keys."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - overrides
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag in {_TEXT, _NOTHING}:
                    key.tag = _TEXT  # as a key, `null` is a name
                    if key.value in seen:
                        raise yaml.constructor.ConstructorError(None, None, _repeated(key.value), key.start_mark)
                    seen.add(key.value)
            return super().construct_mapping(node, deep)

    kept = {_NOTHING, _MERGE}
    TextLoader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in kept]
        for first, resolvers in base.yaml_implicit_resolvers.items()
    }
    if typed:
        TextLoader.add_implicit_resolver(_BOOLEAN, _TRUE_OR_FALSE, list("tTfF"))
        TextLoader.add_implicit_resolver(_NUMBER, _DECIMAL, list("+-.0123456789"))
        TextLoader.add_constructor(_NUMBER, lambda loader, node: WrittenNumber(loader.construct_scalar(node)))
    return TextLoader
