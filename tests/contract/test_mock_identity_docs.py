"""docs/identity-per-caller.md: its configuration is valid, its commands and outputs are correct."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from imds_mock.build.loading import from_document
from imds_mock.config.callers import Variant
from imds_mock.config.plain_documents import read_yaml
from support.mockprogram import running_program
from support.paths import IMDS_MOCK, ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "identity-per-caller.md").read_text()


BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(language: str) -> str:
    return next(text for known, text in BLOCKS if known == language)


def test_the_configuration_is_valid() -> None:
    config = from_document(read_yaml(block("yaml"), "page"))
    assert config.identity == "per-container"
    assert [each.match.service or each.match.name for each in config.variants][:2] == ["web", "*-worker-*"]


def test_the_page_names_every_section_of_a_variant() -> None:
    sections = set(Variant.__struct_fields__) - {"match"}
    (listed,) = re.findall(r"A variant can set parts of these sections: (.*?)\.", PAGE)
    assert set(re.findall(r"`(\w+)`", listed)) == sections


def test_an_error_message_is_as_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "mock.yaml").write_text(block("yaml").replace("instance_life_cycle: spot", "rol: spot"))
    command, printed = block("console").split("\n", 1)
    done = subprocess.run(
        [IMDS_MOCK, *command.removeprefix("$ imds-mock ").split()],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout + done.stderr == printed


def test_the_commands_work(tmp_path: Path) -> None:
    (tmp_path / "mock.yaml").write_text(block("yaml"))
    with running_program(tmp_path, ["--config", str(tmp_path / "mock.yaml"), "--access-log", "off"]) as mock:
        mock.await_line("control plane on unix:")
        path = f"{IMDS_MOCK.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block("sh")],
            env={**mock.environment, "PATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "per-container" in done.stdout
