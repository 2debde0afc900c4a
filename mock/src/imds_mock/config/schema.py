"""The JSON Schema of the configuration, from which editors complete and check a file."""

from __future__ import annotations

import copy
from typing import Any, Final, get_args

import msgspec

from imds_mock.config.callers import Variant
from imds_mock.config.facts import InstanceSettings
from imds_mock.config.settings import Config
from imds_mock.config.variants import OF_TEXT
from imds_mock.violations.words import fields_of

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Generate the JSON Schema (draft 2020-12)."""
    schema = msgspec.json.schema(Config)
    # Keys of the top level that begin with x- are the user's own, a place for YAML anchors.
    schema["$defs"][Config.__name__]["patternProperties"] = {"^x-": {}}
    _describe_variants(schema["$defs"])
    return {"$schema": _DIALECT, "title": "Configuration of imds-mock", **schema}


def _describe_variants(definitions: dict[str, Any]) -> None:
    """Describe the parts of sections that a variant has as those sections, none of whose keys has to be there."""
    variant = definitions[Variant.__name__]["properties"]
    for section in fields_of(Config):
        kind = get_args(section.type)[:1]
        if section.name in variant and kind and kind[0].__name__ in definitions:
            variant[section.name]["allOf"] = [{"$ref": f"#/$defs/{kind[0].__name__}"}]
    facts = copy.deepcopy(definitions[InstanceSettings.__name__])
    for name in OF_TEXT:  # where null takes away
        values = facts["properties"][name]["additionalProperties"]
        facts["properties"][name]["additionalProperties"] = {"anyOf": [values, {"type": "null"}]}
    definitions["InstanceOfVariant"] = facts
    variant["instance"]["allOf"] = [{"$ref": "#/$defs/InstanceOfVariant"}]
