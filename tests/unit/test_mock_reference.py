"""The reference pages in docs/ are true: generated parts are current, examples are taken as they stand."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import reference
from imds_mock.build.loading import document_of, load
from imds_mock.cli import main
from imds_mock.commands import serve
from support.metadata import Metadata

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer


def blocks(page: str, language: str) -> list[str]:
    text = (reference.DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("name", "part"), reference.PARTS)
def test_the_generated_part_is_what_the_program_says(name: str, part: str) -> None:
    page = (reference.DOCS / name).read_text()
    current = reference.renewed(page, part, reference.PARTS[name, part]())
    assert current == page, "run .venv/bin/python scripts/reference.py"


def test_a_page_needs_its_marks() -> None:
    with pytest.raises(ValueError, match="no marks"):
        reference.renewed("# A page", "", "")


@pytest.mark.parametrize("number", range(2))
def test_each_example_is_a_configuration(signer: Signer, tmp_path: Path, number: int) -> None:
    examples = blocks("configuration.md", "yaml")
    assert len(examples) == 2
    file = tmp_path / "mock.yaml"
    file.write_text(examples[number])
    config = load({}, {}, file)
    assert config != load({}, {}, None)
    Metadata(signer, document_of(config)).crawl()


def test_the_transcript_is_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, printed = blocks("configuration.md", "console")[0].split("\n", 1)
    monkeypatch.chdir(tmp_path)
    Path("mock.yaml").write_text("instance: {regoin: eu-west-1}\n")
    assert main(command.removeprefix("$ imds-mock ").split()) == 78
    assert capsys.readouterr().err == printed


def test_the_flags_exist() -> None:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    known = parser.format_help()
    for flag in (*reference.FLAGS.values(), "--set", "--config"):
        assert flag in known
