"""Merges defaults, file, variables and options into one checked configuration, or reports all of its problems.

Later sources win: defaults, then the file, then `IMDS_MOCK_*` variables, then options. With `compatibility: aemm` the
defaults are the facts of amazon-ec2-metadata-mock's instance.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.bounded_files import read_bytes
from imds_mock.build.checks import check
from imds_mock.config.document_limits import MAX_BYTES
from imds_mock.config.errors import ConfigError, KeyPath, Problem, SettingError, Violation, problem_of
from imds_mock.config.settings import Config
from imds_mock.config.sources import (
    COMMAND_LINE,
    Source,
    file_of,
    merge,
    places_of,
    read_environment,
    read_file,
    read_named,
    require_known,
)
from imds_mock.config.variants import check as check_variants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNREADABLE: Final = "{}: this configuration cannot be read; `imds-mock config schema` prints what is expected"


def load(
    argv_overrides: Mapping[str, object],
    environ: Mapping[str, str],
    file: Path | None,
    defaults: Mapping[str, Any] | None = None,
    places: dict[str, str] | None = None,
) -> Config:
    """Read and check the configuration.

    Args:
        argv_overrides: Values of options by dotted key (`server.port`); text is converted to the type of the key.
        environ: Environment variables.
        file: Configuration file; None takes the one that `IMDS_MOCK_CONFIG` names, if any.
        defaults: A document that replaces some of the schema's defaults.
        places: Is replaced by the file, variable or flag that sets each key; see `places_of`.

    Raises:
        ConfigError: All problems, each with its place, its key and what was expected.
    """
    file = file_of(environ, file)
    sources = [Source(dict(defaults))] if defaults else []
    if file is not None:
        try:
            sources.append(read_file(file))
        except ConfigError as error:
            sources.append(Source({}, problems=error.problems))
    sources.append(read_environment(environ))
    named: dict[KeyPath, tuple[str, object]] = {}
    unknown: list[Problem] = []
    for key, value in argv_overrides.items():
        try:
            named[require_known(key, value)] = (COMMAND_LINE, value)
        except ConfigError as error:
            unknown.append(Problem(f"{COMMAND_LINE}: {error}"))
    source = read_named(named)
    sources.append(source._replace(problems=(*unknown, *source.problems)))
    config = _build(sources, Path() if file is None else file.parent)
    if places is not None:
        places.clear()
        places.update(places_of(sources))
    return config


def from_document(document: Mapping[str, Any], name: str = "configuration", folder: Path | None = None) -> Config:
    """Check a document, such as a patched one.

    Args:
        document: Nested mappings and lists of plain values.
        name: Its name in errors.
        folder: The folder of relative paths; None is the working directory.

    Raises:
        ConfigError: As for `load`.
    """
    return _build([Source(dict(document), name)], folder or Path())


def document_of(config: Config) -> dict[str, Any]:
    """A configuration as nested mappings and lists of plain values; the inverse of `from_document`."""
    document: dict[str, Any] = msgspec.to_builtins(config)
    return document


def with_override(config: Config, path: str, value: Any) -> Config:
    """A configuration in which one path of the metadata is overridden.

    Args:
        config: The configuration.
        path: The path, relative to the version.
        value: As in the section `metadata` of a file; None removes the path.

    Raises:
        ConfigError: The value is invalid.
    """
    document = document_of(config)
    # Later overrides win, so earlier ones of this path or below it have no effect any more.
    overrides = {
        name: held
        for name, held in document["metadata"].items()
        if not f"{name.strip('/').removeprefix('latest/')}/".startswith(f"{path}/")
    }
    document["metadata"] = overrides | {path: value}
    return from_document(document)


def _build(sources: Sequence[Source], folder: Path) -> Config:
    merged: dict[str, Any] = {}
    for source in sources:
        merged = merge(merged, source.document)
    problems = [problem for source in sources for problem in source.problems]
    unread = _embed_user_data(merged, folder)
    if merged.get("compatibility") == "aemm":
        from imds_mock.aemm.data import DEFAULT_CONFIG  # noqa: PLC0415 - the real service needs none of it

        merged = {
            **merged,
            **{name: _with_defaults(merged.get(name, {}), section) for name, section in DEFAULT_CONFIG.items()},
        }
    if not (problems or unread):
        try:
            config = msgspec.convert(merged, Config, strict=False)
            check(config)
            check_variants(config, check)
        except (SettingError, msgspec.ValidationError, RecursionError, ValueError) as error:
            found = _violations(merged)
            if not found and isinstance(error, SettingError):
                found = [Violation(error.path, error.sentence)]
            problems = [_problem(sources, each) for each in found]
            raise ConfigError(problems or _UNREADABLE.format(sources[0].name or "configuration")) from error
        return config
    raise ConfigError([*problems, *(_problem(sources, each) for each in (*unread, *_violations(merged)))])


def _with_defaults(section: Any, defaults: Mapping[str, Any]) -> Any:
    """A section with defaults other than the schema's; a key that is set replaces the whole default."""
    return {**defaults, **section} if isinstance(section, dict) else section


def _violations(document: Mapping[str, Any]) -> list[Violation]:
    from imds_mock.build import diagnosis  # noqa: PLC0415 - a valid configuration does without

    wrong = diagnosis.violations(document)
    return [*wrong, *diagnosis.contradictions_in(document, wrong)]


def _problem(sources: Sequence[Source], violation: Violation) -> Problem:
    places = (source.place_of(violation.path) for source in reversed(sources))
    return problem_of(violation, next((place for place in places if place is not None), ""))


def _embed_user_data(document: dict[str, Any], folder: Path) -> list[Violation]:
    """Replace user-data files by their content, so that a configuration does not depend on files.

    Returns:
        The files that cannot be read, which are removed from the document.
    """
    unread: list[Violation] = []
    document |= _embedded(document, folder, (), unread)
    variants = document.get("variants")
    if isinstance(variants, list):
        document["variants"] = [
            {**variant, **_embedded(variant, folder, ("variants", place), unread)}
            if isinstance(variant, dict)
            else variant
            for place, variant in enumerate(variants)
        ]
    return unread


def _embedded(holder: Mapping[str, Any], folder: Path, path: KeyPath, unread: list[Violation]) -> dict[str, Any]:
    """The section `instance` with the content of its file; empty if it names none."""
    instance = holder.get("instance")
    user_data = instance.get("user_data") if isinstance(instance, dict) else None
    if not isinstance(user_data, dict) or not isinstance(user_data.get("file"), str) or len(user_data) != 1:
        return {}
    try:
        content = read_bytes(folder / user_data["file"], MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is invalid"
        unread.append(
            Violation((*path, "instance", "user_data", "file"), f"cannot read {user_data['file']!r}: {reason}")
        )
        return {"instance": {**holder["instance"], "user_data": None}}
    return {"instance": {**holder["instance"], "user_data": {"base64": base64.b64encode(content).decode()}}}
