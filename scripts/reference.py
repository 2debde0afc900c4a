"""Write the reference tables in docs/ from the program's own data: settings, metadata tree, events and faults.

It also renews the schema of the chart's values, which contains the settings.

A unit test fails if a page differs from the output.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec

import chart_schema
from imds_mock.config.callers import Match, Variant
from imds_mock.config.errors import KeyPath, dotted
from imds_mock.config.facts import Interface, ManagedSshKeys, PublicKey, UserData
from imds_mock.config.marks import PRIVILEGED, PRIVILEGED_VALUES
from imds_mock.config.settings import Config
from imds_mock.config.sources import variables
from imds_mock.ctl.kinds import command_of
from imds_mock.events.event import Event
from imds_mock.events.kinds import EVENTS
from imds_mock.faults.kinds import FAULTS, Fault
from imds_mock.metadata.catalogue import INTERFACE_PATH, INTERFACE_ROWS, ROWS
from imds_mock.scheduling.options import options_of
from imds_mock.violations.hiding import extra_of
from imds_mock.violations.words import in_words, tag_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from imds_mock.scheduling.schedule import Scheduled

DOCS: Final = Path(__file__).parents[1] / "docs"

FLAGS: Final = {"server.hosts": "--host", "server.port": "--port", "server.access_log": "--access-log"}
"""Settings with a flag of their own; all others use `--set KEY=VALUE`."""

_NESTED: Final[dict[str, type[msgspec.Struct]]] = {
    "variants[]": Variant,
    "variants[].match": Match,
    "instance.interfaces[]": Interface,
    "instance.public_keys[]": PublicKey,
    "instance.user_data": UserData,
    "instance.managed_ssh_keys": ManagedSshKeys,
}
_LONGEST_DEFAULT: Final = 60


def configuration() -> str:
    """The tables of all configuration keys."""
    names = {path: variable for variable, path in variables().items()}
    parts: list[str] = []
    for section in msgspec.structs.fields(Config):
        kind = _bare(section.type)
        parts += [f"### `{section.name}`", ""]
        columns = ("key", "expected", "default", "variable", "flag", "meaning")
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            keys: dict[KeyPath, msgspec.structs.FieldInfo] = {
                (section.name, known.name): known for known in msgspec.structs.fields(kind)
            }
            parts += [str(kind.__doc__), ""]
        else:
            keys = {(section.name,): section}
        rows = []
        for path, known in keys.items():
            flag = FLAGS.get(dotted(path))
            how = (f"`{names[path]}`", f"`{flag}`" if flag else "")
            rows.append((f"`{known.name}`", _expected(known), _default(known), *how, _meaning(known)))
        parts += _table(columns, rows)
    for name, nested in _NESTED.items():
        inner = [
            (f"`{known.name}`", _expected(known), _default(known), _meaning(known))
            for known in msgspec.structs.fields(nested)
        ]
        parts += [f"### `{name}`", "", str(nested.__doc__), ""]
        parts += _table(("key", "expected", "default", "meaning"), inner)
    return "\n".join(parts)


def metadata_tree() -> str:
    """The tables of all metadata leaves."""
    columns = ("path", "since", "present")
    own = [(f"`{row.path}`", row.since, row.when or "always") for row in ROWS]
    interface = [(f"`{row.path}`", row.since, row.when or "always") for row in INTERFACE_ROWS]
    between = [f"Below `{INTERFACE_PATH}`, for each interface:", ""]
    return "\n".join([*_table(columns, own), *between, *_table(columns, interface)])


def events() -> str:
    """The tables of the kinds of events and their common fields."""
    return _kinds(EVENTS, Event, "what clients see")


def faults() -> str:
    """The tables of the kinds of faults and their common fields."""
    return _kinds(FAULTS, Fault, "effect")


def _kinds(kinds: Sequence[type[Scheduled]], base: type[Scheduled], column: str) -> str:
    shared = {known.encode_name for known in msgspec.structs.fields(base)}
    rows = [
        (f"`{_cell(' '.join((*command_of(kind), *_usage(kind, shared))))}`", f"`{tag_of(kind)}`", _effect(kind))
        for kind in kinds
    ]
    fields = [(f"`{tag_of(kind)}`", *row) for kind in kinds for row in _fields(kind) if row[0].strip("`") not in shared]
    return "\n".join(
        [
            *_table(("`ctl`", "`kind`", column), rows),
            *_table(("`kind`", "field", "expected", "default", "meaning"), fields),
            *_table(("in all kinds", "expected", "default", "meaning"), _fields(base)),
        ]
    )


def _usage(kind: type[Scheduled], shared: Container[str]) -> Iterable[str]:
    """A kind's own options as usage shows them."""
    for option in sorted(options_of(kind), key=lambda option: option.flag is not None):
        if option.field not in shared:
            value = option.metavar or "|".join(option.choices)
            written = " ".join(filter(None, (option.flag, value if option.constant is None else None)))
            yield written if option.is_required else f"[{written}]"


def _effect(kind: type[Scheduled]) -> str:
    return _cell(" ".join(str(kind.__doc__).split()))


def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for known in msgspec.structs.fields(kind):
        meaning, default = _meaning(known), _default(known)
        if found := re.search(r" \(default: (.*)\)", meaning):
            meaning, default = meaning.replace(found[0], ""), found[1]
        rows.append((f"`{known.encode_name}`", _expected(known), default, meaning))
    return rows


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)] + [""]


PARTS: Final = {
    ("configuration.md", ""): configuration,
    ("metadata-tree.md", ""): metadata_tree,
    ("control.md", "events"): events,
    ("control.md", "faults"): faults,
}
"""Functions that write the generated parts, by page and name of the part; a page with one part needs no name."""


def renewed(page: str, part: str, generated: str) -> str:
    """A page with a generated part replaced.

    Args:
        page: Text of the page, with the two marks around that part.
        part: Name of the part.
        generated: The part.

    Raises:
        ValueError: The marks are missing.
    """
    name = f": {part}" if part else ""
    marked = re.compile(
        rf"(<!-- generated by scripts/reference.py{name} -->\n).*?(<!-- end of generated part -->)", re.DOTALL
    )
    if not marked.search(page):
        raise ValueError("the page has no marks around its generated part")
    return marked.sub(lambda found: f"{found[1]}\n{generated}{found[2]}", page)


def _meaning(known: msgspec.structs.FieldInfo) -> str:
    said = next(_cell(meta.description) for meta in known.type.__metadata__ if meta.description)
    extra = extra_of(known.type)
    if PRIVILEGED not in extra:
        return said
    values = " and ".join(f"`{value}`" for value in extra.get(PRIVILEGED_VALUES, ()))
    return f"{said} {values or 'It'} cannot be set over the control plane."


def _default(known: msgspec.structs.FieldInfo) -> str:
    if known.required:
        return "(required)"
    default = known.default
    if known.default_factory is not msgspec.NODEFAULT:
        default = known.default_factory()
    if default is msgspec.UNSET:
        return "(not set)"
    text = msgspec.json.encode(_brief(default)).decode()
    return f"`{text}`" if len(text) <= _LONGEST_DEFAULT else f"`{text[:_LONGEST_DEFAULT]}`..."


def _brief(value: Any) -> Any:
    """A default without what is itself a default."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return {
            known.name: _brief(getattr(value, known.name))
            for known in fields
            if known.required
            or (known.default_factory is msgspec.NODEFAULT and getattr(value, known.name) != known.default)
        }
    return [_brief(item) for item in value] if isinstance(value, tuple) else value


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def _expected(known: msgspec.structs.FieldInfo) -> str:
    return _cell(re.sub(r"a mapping with [\w, ]+?(?= or null|$)", "a mapping (see below)", in_words(known.type)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Renew the pages and the schema."""
    for (name, part), generate in PARTS.items():
        page = DOCS / name
        page.write_text(renewed(page.read_text(), part, generate()))
    chart_schema.SCHEMA.write_text(chart_schema.renewed(chart_schema.SCHEMA.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
