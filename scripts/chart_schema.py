"""Puts the mock's configuration into the schema of the chart's values, so that Helm names a wrong key in `config`.

Everything else in the schema is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from imds_mock.config.schema import json_schema

SCHEMA: Final = Path(__file__).parents[1] / "deploy/helm/imds-mock/values.schema.json"
_MARK: Final = '\n  "$defs": {\n'
_LEFT_OUT: Final = ("default", "description", "title")
# Helm's regular expressions have no look-ahead and repeat at most 1000 times.
_NOT_IN_GO: Final = re.compile(r"\(\?|\{\d*,?\d{4,}\}")


def reduced(node: Any, *, names: bool = False) -> Any:
    """A part of the schema as Helm needs it.

    Args:
        node: The part.
        names: Whether the keys of `node` are names of properties instead of keywords.
    """
    if isinstance(node, list):
        return [reduced(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = node.items() if names else [(key, value) for key, value in node.items() if not _is_left_out(key, value)]
    return {key: reduced(value, names=not names and key in ("properties", "patternProperties")) for key, value in kept}


def _is_left_out(key: str, value: object) -> bool:
    return key in _LEFT_OUT or (key == "pattern" and bool(_NOT_IN_GO.search(str(value))))


def renewed(text: str) -> str:
    """The schema's text with the current configuration as its last member."""
    own = text.partition(_MARK)[0]
    definitions = reduced(json_schema()["$defs"], names=True)
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(each)}" for name, each in definitions.items())
    return f"{own}{_MARK}{lines}\n  }}\n}}\n"
