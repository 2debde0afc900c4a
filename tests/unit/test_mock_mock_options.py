"""The options that `serve` and `run` share: every setting has one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from imds_mock.arguments import Parser
from imds_mock.build.loading import load
from imds_mock.commands import load as load_command
from imds_mock.commands.mock_options import chosen_settings
from imds_mock.config.settings import Config
from imds_mock.config.sources import key_types

if TYPE_CHECKING:
    import argparse

KEYS = [".".join(map(str, path)) for path in key_types()]


def parsed(command: str, *arguments: str) -> argparse.Namespace:
    parser = Parser(prog=f"imds-mock {command}")
    load_command(command).add_arguments(parser)
    return parser.parse_args(arguments)


def value_of(config: Config, key: str) -> Any:
    """A setting as a plain value; None if it has no default that can be written."""
    value = msgspec.to_builtins(config)
    for part in key.split("."):
        value = value.get(part)
    return value


def test_every_section_of_the_schema_has_keys() -> None:
    assert {key.partition(".")[0] for key in KEYS} == set(Config.__struct_fields__)


@pytest.mark.parametrize("command", ["serve", "run"])
@pytest.mark.parametrize("key", KEYS)
def test_every_setting_can_be_set(key: str, command: str) -> None:
    default = value_of(load({}, {}, None), key)
    text = default if isinstance(default, str) else json.dumps(default)
    loaded = load(chosen_settings(parsed(command, "--set", f"{key}={text}")), {}, None)
    assert value_of(loaded, key) == default


@pytest.mark.parametrize("command", ["serve", "run"])
def test_shortcuts_set_the_settings_that_they_name(command: str) -> None:
    settings = chosen_settings(parsed(command, "--region", "eu-west-1", "--http-tokens", "required"))
    assert settings == {"instance.region": "eu-west-1", "metadata_options.http_tokens": "required"}
    assert load(settings, {}, None).instance.region == "eu-west-1"
