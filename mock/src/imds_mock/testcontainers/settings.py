"""The configuration of a mock in a container, checked before the container starts, and the file for the container."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.build.loading import document_of, from_document, load
from imds_mock.config.errors import ConfigError, Problem
from imds_mock.config.settings import Config
from imds_mock.testing.settings import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_PORT: Final = 80
CONTROL_PORT: Final = 1339

_FIXED: Final = {
    "server": ("hosts", "port"),
    "control": ("enabled", "hosts", "port", "socket"),
}


def container_config(
    source: Config | Mapping[str, Any] | str | os.PathLike[str] | None, settings: Mapping[str, Any]
) -> Config:
    """The configuration that a mock in a container starts with.

    Args:
        source: Settings, a mapping as in a file, the path of a YAML or JSON file on this machine, or None.
        settings: Further settings by their short names.

    Raises:
        ConfigError: The configuration is invalid, or sets a port that the container publishes.
    """
    if isinstance(source, str | os.PathLike):
        config = load({}, {}, Path(source))
    elif isinstance(source, Config):
        config = source
    else:
        config = from_document(source or {})
    config = changed(config, settings, at_start=True)
    defaults = Config()
    problems = [
        Problem(
            f"{section}.{key}={value!r}: a mock in a container listens on all its addresses, on the ports {DATA_PORT} "
            f"and {CONTROL_PORT}; leave the setting out, and use with_bind_ports to choose ports of the host"
        )
        for section, keys in _FIXED.items()
        for key in keys
        if (value := getattr(getattr(config, section), key)) != getattr(getattr(defaults, section), key)
    ]
    if problems:
        raise ConfigError(problems)
    return config


def file_content(config: Config) -> bytes:
    """A configuration file with the settings that differ from the defaults, so that the image may be another version.

    Args:
        config: The configuration.

    Returns:
        JSON.
    """
    return msgspec.json.encode(_difference(document_of(config), document_of(Config())))


def _difference(document: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    differing = {name: value for name, value in document.items() if name not in defaults or value != defaults[name]}
    return {
        # Mappings with the same keys are sections. Others, such as tags, are kept whole: a missing key is a difference.
        name: _difference(value, defaults[name])
        if isinstance(value, dict) and isinstance(defaults.get(name), dict) and value.keys() == defaults[name].keys()
        else value
        for name, value in differing.items()
    }
