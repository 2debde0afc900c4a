"""AEMM's config file: found, read in JSON, YAML or TOML, turned into dotted keys, and written back as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock.aemm.errors import ConfigFileError
from imds_mock.config.document_limits import excess
from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import read_document_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_STEM: Final = "aemm-config"
_FORMATS: Final = ("json", "toml", "yaml", "yml")
_OTHER_FORMATS: Final = ("properties", "props", "prop", "hcl", "tfvars", "dotenv", "env", "ini")
SAVED: Final = Path(".ec2-metadata-mock", ".aemm-config-used.json")
"""Where the settings in force are written, below the home directory."""


def default_file(home: str | None) -> Path | None:
    """The config file in the home directory.

    Args:
        home: The home directory, if there is one.

    Returns:
        The first of `aemm-config.json`, `.toml`, `.yaml` and so on that exists.
    """
    if not home:
        return None
    candidates = (Path(home, f"{_DEFAULT_STEM}.{extension}") for extension in (*_FORMATS, *_OTHER_FORMATS))
    # Unlike Path.is_file, this is False where the folder may not be looked into.
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113 - see above


def read(path: Path) -> dict[str, Any]:
    """Read a config file.

    Args:
        path: The file; its extension says what it is written in.

    Returns:
        Lower-case dotted keys to what they hold: text, numbers, truth values, dates, null, lists, empty objects.

    Raises:
        ConfigFileError: It cannot be read, is of another kind, or is not well formed.
    """
    extension = path.suffix.removeprefix(".").lower()
    if extension not in _FORMATS:
        raise ConfigFileError(f"config file {path}: {path.suffix or 'no extension'} is not supported; "
                              "write it as .json, .yaml, .yml or .toml")  # fmt: skip
    try:
        document = _parse(extension, read_document_text(path))
        settings = flatten({} if document is None else document)
    except ConfigError as error:
        raise ConfigFileError(f"config file {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(f"config file {path}: {' '.join(str(error).split())}") from error
    return settings


def write(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings as JSON that `read` understands.

    Args:
        path: The file; its directory is made when it is missing.
        settings: Dotted keys to values.

    Raises:
        OSError: It cannot be written.
    """
    document: dict[str, Any] = {}
    for name, value in settings.items():
        *sections, last = name.split(".")
        section = document
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def _parse(extension: str, text: str) -> Any:
    if extension == "json":
        if beyond := excess(text.encode()):
            raise ValueError(beyond)
        return json.loads(text)
    if extension == "toml":
        import tomllib  # noqa: PLC0415 - the start has to be quick, and few files are TOML

        return tomllib.loads(text)
    from imds_mock.aemm import plain_yaml  # noqa: PLC0415 - as above

    return plain_yaml.loads(text)


def flatten(document: Any) -> dict[str, Any]:
    """Turn nested settings into dotted keys, in lower case.

    Args:
        document: Settings, nested or dotted.

    Raises:
        ValueError: It is no object.
    """
    if not isinstance(document, Mapping):
        raise ValueError("expected an object with settings at its top")  # noqa: TRY004 - the file is wrong
    return dict(_walk(document, ""))


def _walk(section: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        key = f"{prefix}{name}".lower()
        if isinstance(value, Mapping) and value:
            yield from _walk(value, f"{key}.")
        else:
            yield key, value
