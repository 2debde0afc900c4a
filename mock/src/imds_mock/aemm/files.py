"""Finds, reads and writes AEMM's config file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock import atomic_files
from imds_mock.aemm.data import TAGS_KEY
from imds_mock.aemm.keys import ConfigFileError
from imds_mock.config.document_limits import excess
from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import read_document_text, read_yaml
from imds_mock.violations.syntax import json_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_STEM: Final = "aemm-config"
_FORMATS: Final = ("json", "toml", "yaml", "yml")
_OTHER_FORMATS: Final = ("properties", "props", "prop", "hcl", "tfvars", "dotenv", "env", "ini")
SAVED_FILE: Final = Path(".ec2-metadata-mock", ".aemm-config-used.json")
"""The file with the saved settings, below the home directory."""


def default_file(home: str | None) -> Path | None:
    """The first existing file of `aemm-config.json`, `.toml`, `.yaml` and so on in the home directory, if any."""
    if not home:
        return None
    candidates = (Path(home, f"{_DEFAULT_STEM}.{extension}") for extension in (*_FORMATS, *_OTHER_FORMATS))
    # Unlike Path.is_file, it returns False if the folder cannot be searched.
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113 - see above


def read(path: Path) -> dict[str, Any]:
    """Read a config file.

    Args:
        path: The file; its extension selects the format.

    Returns:
        Values by dotted key in lower case, without sections whose name starts with `x-`, which contain YAML anchors.

    Raises:
        ConfigFileError: The file cannot be read, is malformed or has an unsupported format.
    """
    extension = path.suffix.removeprefix(".").lower()
    if extension not in _FORMATS:
        format_name = f"the format {path.suffix}" if path.suffix else "a file without an extension"
        raise ConfigFileError(f"config file {path}: {format_name} is not supported; "
                              "write it as .json, .yaml, .yml or .toml")  # fmt: skip
    try:
        document = _parse(extension, read_document_text(path), str(path))
        settings = flatten({} if document is None else document)
    except ConfigError as error:
        raise ConfigFileError(f"config file {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(f"config file {path}: {error}") from error
    return {name: value for name, value in settings.items() if not name.startswith("x-")}


def save(settings: Mapping[str, Any], home: str | None) -> Path:
    """Write settings as JSON to the same file as AEMM, readable only for this user because of the credentials.

    Args:
        settings: Values by dotted key.
        home: The home directory; None or empty for the working directory.

    Returns:
        The file.

    Raises:
        OSError: It cannot be written.
    """
    path = Path(home or ".") / SAVED_FILE
    document: dict[str, Any] = {}
    for name, value in settings.items():
        *sections, last = name.split(".")
        section = document
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.replace(path, (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())
    return path


def _parse(extension: str, text: str, name: str) -> Any:
    if extension == "json":
        if beyond := excess(text.encode()):
            raise ValueError(beyond)
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{name}: is not valid JSON: {json_problem(text)}") from error
    if extension == "toml":
        import tomllib  # noqa: PLC0415 - keeps a start fast; few files are TOML

        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            problem = f"{str(error)[:1].lower()}{str(error)[1:]}"
            raise ConfigError(f"{name}: is not valid TOML: {problem}") from error
    return read_yaml(text, name, typed=True)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def flatten(document: Any) -> dict[str, Any]:
    """Values by dotted key in lower case; the instance tags stay one object with unchanged names.

    Args:
        document: Settings with nested or dotted keys.

    Raises:
        ValueError: The document is not an object.
    """
    if not isinstance(document, Mapping):
        raise ValueError("expected an object with settings at its top")  # noqa: TRY004 - user input
    settings: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for name, value in _walk(document, ""):
        key = name.lower()
        if key.startswith(f"{TAGS_KEY}."):
            tags[name[len(TAGS_KEY) + 1 :]] = value
        else:
            settings[key] = value
    return settings | {TAGS_KEY: tags} if tags else settings


def _walk(section: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _walk(value, f"{key}.")
        else:
            yield key, value
