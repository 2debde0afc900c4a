"""The configuration: shown, replaced, patched (RFC 7396), set by key or path, and reset to its start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.build.loading import document_of, from_document
from imds_mock.config.settings import FIXED_SECTIONS, Config, MetadataOptions
from imds_mock.control.changes import (
    Document,
    assigned,
    at_key,
    merge_patch,
    null_defaults,
    put,
    require_known_nulls,
    require_setting,
)
from imds_mock.control.destinations import require_secrets
from imds_mock.control.operations import MERGE_PATCH, Noted, Operation
from imds_mock.control.privileges import require_unprivileged, with_privileged
from imds_mock.control.problems import ProblemError
from imds_mock.control.secrets import masked, unmasked
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value.

    Attributes:
        value: Any JSON.
    """

    value: Any


class ResetQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reset keeps.

    Attributes:
        keep_journal: Keep the journal, the notices seen and the IMDSv1 calls.
    """

    keep_journal: bool = False


class ConfigurationRoutes:
    """The operations on the configuration."""

    group: Final = "configuration"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """List the operations."""
        every, one, options = "/v1/config", "/v1/config/{path:path}", "/v1/metadata-options"
        conflict: dict[str, Any] = {"problems": (409,)}
        whole: dict[str, Any] = {"body": Document, "body_schema": Config, "schema": Config, **conflict}
        patch: dict[str, Any] = {"body_media": MERGE_PATCH, **conflict}
        several = "Set several settings by their dotted keys, or none if one is refused"
        return [
            Operation("GET", every, "Show the configuration", self.show, Document, schema=Config),
            Operation("PUT", every, "Replace the configuration", self.replace, Document, **whole),
            Operation(
                *("PATCH", every, "Change the configuration by a merge patch", self.patch, Document),
                **whole | patch,
                notes=True,
            ),
            Operation("POST", every, several, self.assign, Document, body=Document, **conflict),
            Operation("GET", one, "Show one setting", self.show_one, Value, problems=(404,)),
            Operation("PUT", one, "Set one setting", self.set_one, Value, body=Value, **conflict),
            Operation("DELETE", one, "Restore the default of one setting", self.unset_one, None, problems=(409, 422)),
            Operation("GET", options, "Show the metadata options", self.options, MetadataOptions),
            Operation(
                *("PATCH", options, "Change metadata options", self.modify_options, MetadataOptions),
                body=Document,
                body_schema=MetadataOptions,
                **patch,
            ),
            Operation("POST", "/v1/reset", "Restore the state at the start", self.reset, None, query=ResetQuery),
        ]

    async def show(self, _call: Call) -> Document:
        """Show the configuration in force, without its secrets."""
        return masked(document_of(self._state.config))

    async def replace(self, call: Call) -> Document:
        """Replace the configuration; settings that are left out get their defaults."""
        await self._put(lambda document: {section: document[section] for section in FIXED_SECTIONS} | call.body)
        return await self.show(call)

    async def assign(self, call: Call) -> Document:
        """Set settings by their dotted keys; null is a value. Returns the new values."""
        await self._put(lambda document: assigned(document, call.body))
        document = masked(document_of(self._state.config))
        return {key: at_key(document, key) for key in call.body}

    async def patch(self, call: Call) -> Noted:
        """Apply a merge patch; null restores the default of a setting."""
        await self._put(lambda document: _patched(document, call.body))
        after = await self.show(call)
        return Noted(after, tuple(null_defaults(call.body, after)))

    async def show_one(self, call: Call) -> Value:
        """Show one value or section."""
        parts = _parts(call)
        require_setting(parts)
        value: Any = masked(document_of(self._state.config))
        for part in parts:
            if not isinstance(value, dict) or part not in value:
                raise ProblemError(404, f"{'.'.join(parts)} is not set")
            value = value[part]
        return Value(value)

    async def set_one(self, call: Call) -> Value:
        """Set one value or section; null is a value."""
        parts = _parts(call)
        require_setting(parts)

        def change(document: Document) -> Document:
            require_unprivileged(_nested(parts, call.body.value), document)
            put(document, parts, call.body.value)
            return document

        await self._put(change)
        return await self.show_one(call)

    async def unset_one(self, call: Call) -> None:
        """Restore the default of one setting, or remove one key of a mapping."""
        await self.show_one(call)  # 404 if there is no such setting
        await self._put(lambda document: _patched(document, _nested(_parts(call), None)))

    async def options(self, _call: Call) -> MetadataOptions:
        """Show the metadata options in force."""
        return self._state.config.metadata_options

    async def modify_options(self, call: Call) -> MetadataOptions:
        """Change metadata options, as ModifyInstanceMetadataOptions does."""
        patch = {"metadata_options": call.body}
        require_known_nulls(patch)
        await self._context.configure(lambda current: from_document(merge_patch(document_of(current), patch)))
        return self._state.config.metadata_options

    async def reset(self, call: Call) -> None:
        """Restore the state at the start: real time, configuration, events, faults, journal, notices."""
        self._context.reset(keep_journal=call.query.keep_journal)

    async def _put(self, change: Callable[[Document], Document]) -> None:
        def changed(current: Config) -> Config:
            before = document_of(current)
            document = with_privileged(change(masked(before)), before)
            # First of all checks: building a configuration reads the files that it names.
            require_unprivileged(document, before)
            meant = unmasked(document, before)
            config = from_document(meant.document)
            require_secrets(current, config, meant.masked)
            for section in FIXED_SECTIONS:
                if getattr(config, section) != getattr(current, section):
                    raise FieldError(section, "takes effect at the start only; change the file and start again")
            return config

        await self._context.configure(changed)


def _patched(document: Document, patch: Document) -> Document:
    # After the merge, a null is indistinguishable from a setting that is left out.
    require_unprivileged(patch, document)
    require_known_nulls(patch)
    return merge_patch(document, patch)


def _parts(call: Call) -> list[str]:
    parts: list[str] = call.path["path"].strip("/").split("/")
    # Keys of `metadata` are paths themselves.
    return [parts[0], "/".join(parts[1:])] if parts[0] == "metadata" and len(parts) > 1 else parts


def _nested(parts: list[str], value: Any) -> Any:
    for part in reversed(parts):
        value = {part: value}
    return value
