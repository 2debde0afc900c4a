"""The JSON Schema of the configuration, from which editors complete and check a file."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from imds_mock.config.settings import Config

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Generate the JSON Schema (draft 2020-12)."""
    schema = msgspec.json.schema(Config)
    # Keys of the top level that begin with x- are the user's own, a place for YAML anchors.
    schema["$defs"][Config.__name__]["patternProperties"] = {"^x-": {}}
    return {"$schema": _DIALECT, "title": "Configuration of imds-mock", **schema}
