"""YAML whose scalars stay as they are written: only null is a value of its own.

So `0123` is no octal number, `10:20` none to base 60, `no` no truth value: what a setting means, its reader decides.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from imds_mock.config.document_limits import require_bounds

_RESOLVED: Final = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _Loader(yaml.SafeLoader):
    """Reads every scalar but null and merge keys as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _RESOLVED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def loads(text: str) -> Any:
    """Read a document.

    Args:
        text: YAML.

    Raises:
        ValueError: It is not well formed; the message is one line that says where.
    """
    try:
        require_bounds(text, _Loader)
        return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
