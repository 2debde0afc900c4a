"""The configuration: read, replaced, patched (RFC 7396), set by path, and reset to what it was at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.build.loading import document_of, from_document
from imds_mock.config.settings import FIXED_SECTIONS, Config, MetadataOptions
from imds_mock.control.assignments import assigned, at_key, null_defaults, unknown_setting
from imds_mock.control.destinations import require_anew
from imds_mock.control.merge_patch import Document, merge_patch, require_known
from imds_mock.control.operations import MERGE_PATCH, Noted, Operation
from imds_mock.control.privileges import require_unprivileged, require_unprivileged_at, with_privileged
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
    """What a reset leaves as it is.

    Attributes:
        keep_journal: The journal, the notices seen and the IMDSv1 calls stay.
    """

    keep_journal: bool = False


class ConfigurationRoutes:
    """The operations on the configuration.

    Args:
        cockpit: What they drive.
    """

    group: Final = "configuration"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """All of them."""
        one = "/v1/config/{path:path}"
        options = "/v1/metadata-options"
        return [
            Operation("GET", "/v1/config", "Show the configuration", self.show, Document, schema=Config),
            Operation(
                "PUT",
                "/v1/config",
                "Replace the configuration",
                self.replace,
                Document,
                body=Document,
                body_schema=Config,
                schema=Config,
                problems=(409,),
            ),
            Operation(
                "PATCH",
                "/v1/config",
                "Change the configuration by a merge patch",
                self.patch,
                Document,
                body=Document,
                body_schema=Config,
                body_media=MERGE_PATCH,
                schema=Config,
                problems=(409,),
                notes=True,
            ),
            Operation(
                *(
                    "POST",
                    "/v1/config",
                    "Set several settings by their dotted keys, all or none",
                    self.assign,
                    Document,
                ),
                body=Document,
                problems=(409,),
            ),
            Operation("GET", one, "Show one setting", self.show_one, Value, problems=(404,)),
            Operation("PUT", one, "Set one setting", self.set_one, Value, body=Value, problems=(409,)),
            Operation("DELETE", one, "Give one setting its default again", self.unset_one, None, problems=(409, 422)),
            Operation("GET", options, "Show the metadata options", self.options, MetadataOptions),
            Operation(
                *("PATCH", options, "Change metadata options", self.modify_options, MetadataOptions),
                body=Document,
                body_media=MERGE_PATCH,
                body_schema=MetadataOptions,
                problems=(409,),
            ),
            Operation(
                *("POST", "/v1/reset", "Go back to the state at the start", self.reset, None),
                query=ResetQuery,
            ),
        ]

    async def show(self, _call: Call) -> Document:
        """The configuration in force, without its secrets."""
        return masked(document_of(self._state.config))

    async def replace(self, call: Call) -> Document:
        """Another configuration; what is left out has its default."""
        await self._put(lambda document: {section: document[section] for section in FIXED_SECTIONS} | call.body)
        return await self.show(call)

    async def assign(self, call: Call) -> Document:
        """The values of the settings that were set; null is a value here."""
        await self._put(lambda document: assigned(document, call.body))
        document = masked(document_of(self._state.config))
        return {key: at_key(document, key) for key in call.body}

    async def patch(self, call: Call) -> Noted:
        """A changed configuration; null gives a setting its default again."""

        def change(document: Document) -> Document:
            # A null would be taken for a setting that is left out, once it is merged.
            require_unprivileged(call.body, document)
            require_known(call.body)
            return merge_patch(document, call.body)

        await self._put(change)
        after = await self.show(call)
        return Noted(after, tuple(null_defaults(call.body, after)))

    async def show_one(self, call: Call) -> Value:
        """One value or section."""
        value: Any = masked(document_of(self._state.config))
        for part in _parts(call):
            if not isinstance(value, dict) or part not in value:
                raise ProblemError(404, unknown_setting(".".join(_parts(call))))
            value = value[part]
        return Value(value)

    async def set_one(self, call: Call) -> Value:
        """One value set; null is a value here."""

        def change(document: Document) -> Document:
            require_unprivileged_at(_parts(call), call.body.value, document)
            held, name = _holder(document, _parts(call))
            held[name] = call.body.value
            return document

        await self._put(change)
        return await self.show_one(call)

    async def unset_one(self, call: Call) -> None:
        """One value taken out."""

        def change(document: Document) -> Document:
            require_unprivileged_at(_parts(call), None, document)
            held, name = _holder(document, _parts(call))
            if name not in held:
                raise FieldError("path", unknown_setting(".".join(_parts(call))))
            del held[name]
            return document

        await self._put(change)

    async def options(self, _call: Call) -> MetadataOptions:
        """The metadata options in force."""
        return self._state.config.metadata_options

    async def modify_options(self, call: Call) -> MetadataOptions:
        """The metadata options changed, as ModifyInstanceMetadataOptions does."""
        patch = {"metadata_options": call.body}
        require_known(patch)
        await self._context.configure(lambda current: from_document(merge_patch(document_of(current), patch)))
        return self._state.config.metadata_options

    async def reset(self, call: Call) -> None:
        """Everything as it was at the start: configuration, events, faults, journal, notices."""
        if not call.query.keep_journal:
            self._context.queries.restart()
        self._state.reset()

    async def _put(self, change: Callable[[Document], Document]) -> None:
        def changed(current: Config) -> Config:
            before = document_of(current)
            document = with_privileged(change(masked(before)), before)
            # Before anything else looks at it: reading a document reads the files that it names.
            require_unprivileged(document, before)
            meant = unmasked(document, before)
            config = from_document(meant.document)
            require_anew(current, config, meant.masked)
            for section in FIXED_SECTIONS:
                if getattr(config, section) != getattr(current, section):
                    raise FieldError(section, "takes effect at the start only; change the file and start again")
            return config

        await self._context.configure(changed)


def _parts(call: Call) -> list[str]:
    parts = call.path["path"].strip("/").split("/")
    # Keys of `metadata` are paths themselves.
    return [parts[0], "/".join(parts[1:])] if parts[0] == "metadata" and len(parts) > 1 else parts


def _holder(document: Document, parts: list[str]) -> tuple[Document, str]:
    held: Any = document
    for part in parts[:-1]:
        held = held.get(part) if isinstance(held, dict) else None
    if not isinstance(held, dict):
        raise FieldError("path", unknown_setting(".".join(parts)))
    return held, parts[-1]
