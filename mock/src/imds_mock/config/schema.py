"""The JSON Schema of the configuration, from which editors complete and check a file."""

from __future__ import annotations

import copy
from typing import Any, Final, get_args

import msgspec

from imds_mock.config.callers import Match, Variant
from imds_mock.config.facts import InstanceSettings
from imds_mock.config.settings import Config
from imds_mock.config.variants import OF_TEXT
from imds_mock.violations.words import fields_of

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = "#/$defs/{name}"


def json_schema() -> dict[str, Any]:
    """Generate the JSON Schema (draft 2020-12)."""
    schema = msgspec.json.schema(Config)
    # Keys at the top that begin with x- belong to the user, for example for YAML anchors.
    schema["$defs"][Config.__name__]["patternProperties"] = {"^x-": {}}
    describe_variants(schema["$defs"], _REFERENCE)
    return {"$schema": _DIALECT, "title": "Configuration of imds-mock", **schema}


def describe_variants(definitions: dict[str, Any], reference: str) -> None:
    """Describe variants: a condition is required, and the sections are like those of the configuration.

    Args:
        definitions: The schema of each struct by its name; is completed.
        reference: The form of a reference to one of them, with `{name}`.
    """
    variant = definitions[Variant.__name__]["properties"]
    for section in fields_of(Config):
        kind = get_args(section.type)[:1]
        if section.name in variant and kind and kind[0].__name__ in definitions:
            variant[section.name]["allOf"] = [{"$ref": reference.format(name=kind[0].__name__)}]
    given = {"not": {"type": "null"}}
    definitions[Match.__name__]["anyOf"] = [
        {"required": [name], "properties": {name: given}} for name in Match.__struct_fields__
    ]
    facts = copy.deepcopy(definitions[InstanceSettings.__name__])
    for name in OF_TEXT:  # null removes a key
        values = facts["properties"][name]["additionalProperties"]
        facts["properties"][name]["additionalProperties"] = {"anyOf": [values, {"type": "null"}]}
    definitions["InstanceOfVariant"] = facts
    variant["instance"]["allOf"] = [{"$ref": reference.format(name="InstanceOfVariant")}]
