"""The OpenAPI 3.1 document, generated from the operations and their types."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.config.marks import PRIVILEGED, PRIVILEGED_VALUES, marked_settings
from imds_mock.config.schema import describe_variants
from imds_mock.config.settings import FIXED_SECTIONS, Config
from imds_mock.control.credential_masks import MASK
from imds_mock.control.operations import MERGE_PATCH, NOTE_HEADER
from imds_mock.control.problems import CONTENT_TYPE, Problem
from imds_mock.violations.marks import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.control.operations import Operation

_REFERENCE: Final = "#/components/schemas/{name}"
_PART: Final = re.compile(r"{(\w+)(?::path)?}")
# The access check, and parameters that an operation does not have.
_EVERYWHERE: Final = (403, 422)
_NOTE: Final = {NOTE_HEADER: {"description": "A note about the result.", "schema": {"type": "string"}}}
_MEANINGS: Final = {
    400: "The body is not valid JSON",
    403: "The client's address has no access to the control plane",
    404: "Not found",
    409: "The request contradicts the current state",
    413: "The body is too large",
    415: "The content type of the body is not supported",
    422: "Fields are invalid; `errors` names them",
    503: "Temporarily unavailable",
}


def _unprivileged() -> dict[str, Any]:
    """Exclude the values that only the mock's owner sets, in the configuration and in its variants."""
    limits: dict[str, Any] = {}
    for setting in marked_settings(Config, PRIVILEGED):
        if values := setting.extra.get(PRIVILEGED_VALUES):
            limit: Any = {"not": {"enum": list(values)}}
            for part in reversed(setting.path):
                limit = {"properties": {part: limit}}
            limits |= limit["properties"]
    return {"properties": {**limits, "variants": {"items": {"properties": limits}}}}


_UNPRIVILEGED: Final = _unprivileged()


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Generate the document."""
    listed = tuple(operations)
    types = [each for operation in listed for each in _types(operation) if each]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REFERENCE)
    for schema in components.values():
        # An indented line would be code in Markdown.
        schema["description"] = cleandoc(schema.get("description", ""))
    _add_rules(components)
    _allow_masks(components)
    _mark_read_only(components)
    describe_variants(components, _REFERENCE)
    schema_of = dict(zip(map(id, [*types, Problem]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        path = _PART.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imds-mock control plane",
            "version": version,
            "description": "Observes and changes a running mock: settings, metadata, events, faults, journal.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Clients on the Unix socket, loopback or the default gateway need no token.
        "security": [{}, {"token": []}],
    }


def _add_rules(components: dict[str, Any]) -> None:
    """Describe which fields exclude each other: see `mistakes_in` of `Scheduled` and `Step`."""
    given: Any = {"not": {"type": "null"}}
    for schema in components.values():
        fields = schema.get("properties", {})
        if {"in", "at"} <= fields.keys():
            schema["not"] = {"required": ["in", "at"], "properties": {"in": given, "at": given}}
        if {"event", "fault"} <= fields.keys():
            untimed = {"not": {"anyOf": [{"required": ["in"]}, {"required": ["at"]}]}}
            schema["anyOf"] = [
                {"required": [name], "properties": {name: {"type": "object", **untimed}, other: {"type": "null"}}}
                for name, other in (("event", "fault"), ("fault", "event"))
            ]


def _allow_masks(components: dict[str, Any]) -> None:
    """Allow the mask in place of every secret: answers contain it, and requests may send it back."""
    for setting in marked_settings(Config, SECRET):
        components[setting.struct.__name__]["properties"][setting.path[-1]]["anyOf"].append({"const": MASK})


def _mark_read_only(components: dict[str, Any]) -> None:
    """Mark settings that only the mock's owner sets: answers show them, and requests leave them out."""
    for section in FIXED_SECTIONS:
        components[Config.__name__]["properties"][section]["readOnly"] = True
    for setting in marked_settings(Config, PRIVILEGED):
        if PRIVILEGED_VALUES not in setting.extra:
            components[setting.struct.__name__]["properties"][setting.path[-1]]["readOnly"] = True


def _operation(operation: Operation, schema_of: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    query = _resolved(schema_of[id(operation.query)], components)
    required = set(query.get("required", ()))
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PART.findall(operation.path)
    ] + [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in query.get("properties", {}).items()
    ]
    problems = {*_EVERYWHERE, *operation.problems}
    if _PART.search(operation.path):
        problems.add(404)
    written: dict[str, Any] = {
        "operationId": _identifier(operation),
        "summary": operation.summary,
        "tags": [operation.group],
        "parameters": parameters,
        "responses": {str(operation.status if operation.answer else 204): _success(operation, schema_of)},
    }
    if operation.body is not None:
        problems |= {400, 413, 415}
        body = schema_of[id(operation.body_schema or operation.body)]
        if operation.body_media == MERGE_PATCH:
            body = _patched(body, components)
        if operation.body_schema is Config:
            body = {"allOf": [body, _UNPRIVILEGED]}
        media = {operation.body_media: {"schema": body}}
        written["requestBody"] = {"required": not operation.optional_body, "content": media}
    for status in sorted(problems):
        content = {CONTENT_TYPE: {"schema": schema_of[id(Problem)]}}
        written["responses"][str(status)] = {"description": _MEANINGS[status], "content": content}
    return written


def _types(operation: Operation) -> tuple[Any, ...]:
    return operation.query, operation.body_schema or operation.body, operation.schema or operation.answer


def _success(operation: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    if operation.answer is None:
        return {"description": "Done", **({"headers": _NOTE} if operation.notes else {})}
    return {
        "description": operation.summary,
        **({"headers": _NOTE} if operation.notes else {}),
        "content": {operation.answer_media: {"schema": schema_of[id(operation.schema or operation.answer)]}},
    }


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    resolved: dict[str, Any] = components[reference.rpartition("/")[2]] if reference else schema
    return resolved


def _patched(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Describe the merge patch (RFC 7396) of a schema: all members are optional, and null restores a default."""
    whole = _resolved(schema, components)
    if "anyOf" in whole:
        return whole | {"anyOf": [_patched(each, components) for each in whole["anyOf"]]}
    members = whole.get("properties", {})
    patched = {
        name: {"anyOf": [_patched(member, components), {"type": "null"}], "readOnly": member.get("readOnly", False)}
        for name, member in members.items()
    }
    return whole | {"properties": patched, "required": []} if members else schema


def _identifier(operation: Operation) -> str:
    words = re.findall(r"\w+", _PART.sub(r"by \1", operation.path.removeprefix("/v1")))
    return "_".join([operation.method.lower(), *words]).replace("-", "_")
