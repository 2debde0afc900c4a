"""The recipes in `examples/ci`: what they set and run exists, and docs/ci.md names each."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from imds_mock.arguments import Parser
from imds_mock.build.loading import load as load_config
from imds_mock.commands import load
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ROOT / "examples" / "ci"
FILES = sorted(path for path in FOLDER.glob("**/*") if path.is_file())


def read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.suffix == ".json" else yaml.safe_load(path.read_text())


def texts(value: Any) -> Iterator[str]:
    """All texts in a document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def environments(value: Any) -> Iterator[dict[str, str]]:
    """All environments in a document."""
    if isinstance(value, dict):
        yield from (value[name] for name in ("env", "environment", "variables") if isinstance(value.get(name), dict))
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from environments(each)


def test_the_page_names_every_recipe() -> None:
    links = re.findall(r"\]\(\.\./examples/ci/([\w./-]+)\)", (ROOT / "docs" / "ci.md").read_text())
    assert sorted(set(links)) == [str(path.relative_to(FOLDER)) for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_setting_in_a_recipe_exists(path: Path) -> None:
    for environment in environments(read(path)):
        load_config({}, {name: text for name, text in environment.items() if name.startswith("IMDS_MOCK_")}, None)


def test_every_command_in_a_recipe_is_valid() -> None:
    commands = [
        line for path in FILES for line in texts(read(path)) if "imds-mock run" in line or "imds-mock ctl" in line
    ]
    assert len(commands) == 3
    for line in commands:
        name, *arguments = shlex.split(line[line.index("imds-mock ") :])[1:]
        parser = Parser(prog=f"imds-mock {name}")
        load(name).add_arguments(parser)
        parser.parse_args(arguments)


def test_the_devcontainer_uses_a_service_of_its_compose_file() -> None:
    settings = read(FOLDER / "devcontainer" / "devcontainer.json")
    compose = read(FOLDER / "devcontainer" / settings["dockerComposeFile"])
    service = compose["services"][settings["service"]]
    assert f"..:{settings['workspaceFolder']}" in service["volumes"]
    endpoint = service["environment"]["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    assert endpoint.removeprefix("http://") in compose["services"]
