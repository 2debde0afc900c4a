"""The metadata tree: show it as any caller sees it, set and remove leaves by path."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.build.loading import with_override
from imds_mock.control.credential_masks import mask_leaf
from imds_mock.control.operations import Noted, Operation
from imds_mock.control.problems import ProblemError
from imds_mock.metadata.derivation import advice_about
from imds_mock.metadata.override_parsing import ROOTS
from imds_mock.metadata.tree import LATEST
from imds_mock.scheduling.fields import FieldError
from imds_mock.violations.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.config.settings import Config
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.metadata.tree import LookupResult
    from imds_mock.service.snapshot import Snapshot


class CallerQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects the metadata of a caller.

    Attributes:
        caller: Address, container or service name; none: a caller that no event targets.
        version: Metadata version.
    """

    caller: str | None = None
    version: str = LATEST


class ShownLeaf(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a leaf.

    Attributes:
        value: The body as text; secrets of credentials are masked.
        base64: The body in base64, if it is not text.
        content_type: The `Content-Type` header.
    """

    value: str | None = None
    base64: str | None = None
    content_type: str = "text/plain"


class ShownPath(msgspec.Struct, frozen=True, omit_defaults=True):
    """A leaf or a category.

    Attributes:
        path: The path, relative to the version.
        leaf: The body, for a leaf.
        children: The names of the listing, for a category.
    """

    path: str
    leaf: ShownLeaf | None = None
    children: tuple[str, ...] | None = None


class NewLeaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value as in the `metadata` section of the configuration file.

    Attributes:
        value: Text, a number, a boolean, lines as a list, or an object with `$text`, `$json` or `$base64`.
    """

    value: Any


class MetadataRoutes:
    """The operations on metadata."""

    group: Final = "metadata"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """List the operations."""
        every, one = "/v1/metadata", "/v1/metadata/{path:path}"
        shown: dict[str, Any] = {"query": CallerQuery, "problems": (404,)}
        changed: dict[str, Any] = {"problems": (404, 409, 422), "notes": True}
        return [
            Operation("GET", every, "Show the whole tree", self.show, dict[str, ShownLeaf], **shown),
            Operation("GET", one, "Show a leaf or a category", self.show_one, ShownPath, **shown),
            Operation("PUT", one, "Set a leaf for all callers", self.set_one, ShownPath, body=NewLeaf, **changed),
            Operation("DELETE", one, "Remove a leaf or a category", self.remove, None, **changed),
        ]

    async def show(self, call: Call) -> dict[str, ShownLeaf]:
        """Show every leaf that exists now."""
        snapshot = await self._snapshot(call)
        tree, now = snapshot.tree, self._state.clock()
        found = {path: tree.lookup(call.query.version, path, now) for path in sorted(tree.leaves)}
        return {path: shown_leaf(path, each) for path, each in found.items() if each is not None}

    async def show_one(self, call: Call) -> ShownPath:
        """Show a leaf or a category."""
        snapshot = await self._snapshot(call)
        return self._at(call.path["path"], snapshot, call.query.version)

    async def set_one(self, call: Call) -> Noted:
        """Set a leaf for all callers, from the next request on."""
        if call.body.value is None:
            raise FieldError(
                "value", "expected text, a number, a list or a mapping, got null; to remove the path, use DELETE"
            )
        before = await self._override(call.path["path"], call.body.value)
        try:
            shown = self._at(call.path["path"], self._state.snapshot_for(""), LATEST)
        except ProblemError:
            # The override changes a leaf that does not exist.
            self._state.configure(before)
            raise
        return Noted(shown, _notes(call))

    async def remove(self, call: Call) -> Noted:
        """Remove a leaf or a category, from the next request on."""
        path = call.path["path"].strip("/")
        self._at(path, self._state.snapshot_for(""), LATEST)
        await self._override(path, None)
        return Noted(None, _notes(call))

    async def _snapshot(self, call: Call) -> Snapshot:
        return self._state.snapshot_for(await address_of(call.query.caller, self._context))

    async def _override(self, path: str, value: Any) -> Config:
        """Override a path; returns the configuration that was in force before."""
        path = path.strip("/").removeprefix("latest/")
        before = self._state.config

        def overridden(current: Config) -> Config:
            nonlocal before
            before = current
            return with_override(current, path, value)

        await self._context.configure(overridden)
        return before

    def _at(self, written: str, snapshot: Snapshot, version: str) -> ShownPath:
        path = written.strip("/").removeprefix("latest/")
        found = snapshot.tree.lookup(version, path, self._state.clock())
        if found is None:
            raise ProblemError(404, f"no leaf or category at {path!r} now{_hint(path, snapshot.tree.leaves)}")
        if path in snapshot.tree.leaves:
            return ShownPath(path, leaf=shown_leaf(path, found))
        return ShownPath(path, children=tuple(found.body.decode().split("\n") if found.body else ()))


async def address_of(caller: str | None, context: ControlContext) -> str:
    """An address of the caller that a query selects; empty for a caller that no event targets.

    Raises:
        ProblemError: 404, no caller has the name.
    """
    if caller is None:
        return ""
    addresses = await context.addresses_of(caller)
    if not addresses:
        raise ProblemError(404, str(context.match(caller).warning))
    return addresses[0]


def _hint(path: str, leaves: Iterable[str]) -> str:
    """Suggest the nearest path, or the names that paths begin with."""
    known = {f"{'/'.join(parts[:depth])}" for leaf in leaves for parts in [leaf.split("/")] for depth in range(1, 9)}
    rooted = path if path.split("/", maxsplit=1)[0] in ROOTS else f"{ROOTS[0]}/{path}"
    above, _, name = rooted.rpartition("/")
    siblings = {each.removeprefix(f"{above}/"): each for each in known if each.rpartition("/")[0] == above}
    if like := nearest(name, siblings):
        return f"; did you mean {siblings[like]}?"
    return "" if rooted == path else "; paths begin with " + " or ".join(ROOTS)


def _notes(call: Call) -> tuple[str, ...]:
    advice = advice_about(call.path["path"].strip("/").removeprefix("latest/"))
    return () if advice is None else (advice,)


def shown_leaf(path: str, found: LookupResult) -> ShownLeaf:
    """A leaf as the API shows it."""
    body = mask_leaf(path, found.body)
    try:
        return ShownLeaf(body.decode(), None, found.content_type)
    except UnicodeDecodeError:
        return ShownLeaf(None, base64.b64encode(body).decode(), found.content_type)
