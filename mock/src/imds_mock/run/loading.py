"""From defaults, file, variables and flags to one frozen, checked configuration; or one sentence about what is wrong.

Later sources win: defaults, then the file, then `IMDS_MOCK_*` variables, then flags.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.config.errors import ConfigError, KeyPath, SettingError, dotted, find_fault, nearest, unknown_key
from imds_mock.config.facts import InstanceSettings, Interface, PublicKey
from imds_mock.config.profiles import check as check_profiles
from imds_mock.config.roles import CredentialSettings
from imds_mock.config.settings import Config, MetadataOptions, ServerSettings, SigningSettings
from imds_mock.config.sources import Source, file_of, key_types, merge, read_environment, read_file, read_named
from imds_mock.run.leaves import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Config",
    "ConfigError",
    "CredentialSettings",
    "InstanceSettings",
    "Interface",
    "MetadataOptions",
    "PublicKey",
    "ServerSettings",
    "SigningSettings",
    "document_of",
    "from_document",
    "load",
]


_COMMAND_LINE: Final = "command line"


def load(argv_overrides: Mapping[str, object], environ: Mapping[str, str], file: Path | None) -> Config:
    """Read and check the configuration.

    Args:
        argv_overrides: Dotted key (`server.port`) to the value that a flag gave it; text is read as the key wants it.
        environ: Environment variables.
        file: Configuration file; None takes the one that `IMDS_MOCK_CONFIG` names, if any.

    Raises:
        ConfigError: One line with the place, the key and what was expected.
    """
    file = file_of(environ, file)
    sources = [read_file(file)] if file is not None else []
    sources.append(read_environment(environ))
    named: dict[KeyPath, tuple[str, object]] = {}
    for key, value in argv_overrides.items():
        path = tuple(key.split("."))
        if path not in key_types():
            raise ConfigError(_unknown(key))
        named[path] = (_COMMAND_LINE, value)
    sources.append(read_named(named))
    return _build(sources, Path() if file is None else file.parent)


def from_document(document: Mapping[str, Any], name: str = "configuration", folder: Path | None = None) -> Config:
    """Check a document that was put together elsewhere, such as a patched one.

    Args:
        document: Nested mappings and lists of plain values.
        name: What an error calls it.
        folder: Where relative paths start; None is the working directory.

    Raises:
        ConfigError: As for `load`.
    """
    return _build([Source(dict(document), name)], folder or Path())


def document_of(config: Config) -> dict[str, Any]:
    """Write a configuration as nested mappings and lists of plain values, from which `from_document` makes it again."""
    document: dict[str, Any] = msgspec.to_builtins(config)
    return document


def _build(sources: Sequence[Source], folder: Path) -> Config:
    merged: dict[str, Any] = {}
    for source in sources:
        merged = merge(merged, source.document)
    try:
        _embed_user_data(merged, folder)
        config = msgspec.convert(merged, Config, strict=False)
        check(config)
        check_profiles(config, check)
    except SettingError as error:
        raise _error(sources, error.path, error.sentence) from error
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        fault = find_fault(Config, merged)
        if fault is None:
            raise ConfigError(f"{sources[0].name or 'configuration'}: {error}") from error
        sentence = fault.sentence
        if sentence.startswith("unknown key"):
            sentence = unknown_key(Config, fault.path, Config) if len(fault.path) == 1 else sentence
        raise _error(sources, fault.path, sentence) from error
    return config


def _error(sources: Sequence[Source], path: KeyPath, sentence: str) -> ConfigError:
    for source in reversed(sources):
        place = source.place_of(path)
        if place is not None:
            return ConfigError(f"{place}: {dotted(path)}: {sentence}", path)
    return ConfigError(f"{dotted(path)}: {sentence}", path)


def _unknown(key: str) -> str:
    known = {dotted(path): dotted(path) for path in key_types()} | {str(path[-1]): dotted(path) for path in key_types()}
    like = nearest(key, known)
    return f"{_COMMAND_LINE}: {key}: is no setting" + (f"; did you mean {known[like]}?" if like else "")


def _embed_user_data(document: dict[str, Any], folder: Path) -> None:
    """Put the bytes of user-data files into the document, so that a configuration needs no files."""
    document |= _embedded(document, folder, ())
    profiles = document.get("profiles")
    if isinstance(profiles, list):
        document["profiles"] = [
            {**profile, **_embedded(profile, folder, ("profiles", place))} if isinstance(profile, dict) else profile
            for place, profile in enumerate(profiles)
        ]


def _embedded(holder: Mapping[str, Any], folder: Path, path: KeyPath) -> dict[str, Any]:
    """The section `instance` with the bytes in it; nothing where it names no file."""
    instance = holder.get("instance")
    user_data = instance.get("user_data") if isinstance(instance, dict) else None
    if not isinstance(user_data, dict) or not isinstance(user_data.get("file"), str) or len(user_data) != 1:
        return {}
    try:
        content = (folder / user_data["file"]).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingError((*path, "instance", "user_data", "file"), f"{user_data['file']!r}: {reason}") from error
    return {"instance": {**holder["instance"], "user_data": {"base64": base64.b64encode(content).decode()}}}
