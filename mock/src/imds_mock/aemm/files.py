"""AEMM's config file: found, read in JSON, YAML or TOML, turned into dotted keys, and written back as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock.aemm.data import TAGS_KEY
from imds_mock.aemm.errors import ConfigFileError
from imds_mock.config.document_limits import excess
from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import read_document_text, read_yaml
from imds_mock.violations.syntax import json_problem

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
        Lower-case dotted keys to what they hold: text, numbers, booleans, dates, null, lists, empty objects. Sections
        whose name begins with `x-` are left out: they hold what YAML anchors refer to.

    Raises:
        ConfigFileError: It cannot be read, has another format, or is not well formed.
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


def write(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings as JSON that `read` understands, for this user alone: credentials may be among them.

    Args:
        path: The file, which is replaced; its directory is made when it is missing.
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
    import tempfile  # noqa: PLC0415 - few starts save their settings

    # A new file, so that neither an older one's mode nor a symbolic link matters.
    descriptor, unnamed = tempfile.mkstemp(dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
            file.write(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        Path(unnamed).replace(path)
    except BaseException:
        Path(unnamed).unlink(missing_ok=True)
        raise


def _parse(extension: str, text: str, name: str) -> Any:
    if extension == "json":
        if beyond := excess(text.encode()):
            raise ValueError(beyond)
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{name}: is not valid JSON: {json_problem(text)}") from error
    if extension == "toml":
        import tomllib  # noqa: PLC0415 - the start has to be quick, and few files are TOML

        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            problem = f"{str(error)[:1].lower()}{str(error)[1:]}"
            raise ConfigError(f"{name}: is not valid TOML: {problem}") from error
    return read_yaml(text, name, typed=True)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def flatten(document: Any) -> dict[str, Any]:
    """Turn nested settings into dotted keys, in lower case. Instance tags stay one object, their names as they are.

    Args:
        document: Settings, nested or dotted.

    Raises:
        ValueError: It is no object.
    """
    if not isinstance(document, Mapping):
        raise ValueError("expected an object with settings at its top")  # noqa: TRY004 - the file is wrong
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
