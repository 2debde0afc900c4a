"""The failure of a part of a mock: raised to a program that embeds it, one sentence of the command."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock import Mock
from imds_mock.errors import EX_SOFTWARE
from imds_mock.run.companions import CompanionError
from imds_mock.signing.keys import KeyDirectoryError
from support.event_loops import LOCAL, Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def broken(*_arguments: object, **_named: object) -> None:
    raise ZeroDivisionError("a reason")


def broken_at_once(*_arguments: object, **_named: object) -> None:
    raise ZeroDivisionError("a reason")


COMPANIONS: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
    "the signing process": ("imds_mock.run.mock.keep_signatures_ready", broken, {}),
    "the file watcher": ("imds_mock.run.mock.watch", broken, {}),
    "the reload": ("imds_mock.run.reloading.Reloader.run", broken, {}),
    "the look-up of targets": ("imds_mock.run.mock.refresh_targets", broken, {}),
    "the announcement of addresses": ("imds_mock.run.mock.announce", broken, {}),
    "the control plane": ("imds_mock.control.listener.build", broken_at_once, {}),
    "the refresher of ": (
        "imds_mock.credentials.refresher.Refresher.run",
        broken,
        {"credentials": {"source": "profile", "wait_seconds": 0}},
    ),
}
"""What a sentence says first, to what is broken and the configuration that needs it."""


@pytest.mark.parametrize("name", COMPANIONS)
def test_the_failure_of_a_part_is_raised_by_waiting_and_by_leaving(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    target, stand_in, document = COMPANIONS[name]
    importlib.import_module(target.rpartition(".")[0].removesuffix(".Reloader").removesuffix(".Refresher"))
    monkeypatch.setattr(target, stand_in)
    file = tmp_path / "mock.json"
    file.write_text(json.dumps({**LOCAL, **document}))

    async def wait_and_leave(mock: Mock) -> None:
        async with mock:
            with pytest.raises(CompanionError, match="a reason"):
                await asyncio.wait_for(mock.failed(), 60)

    async def scenario() -> None:
        mock = Mock(file, port=0)
        with pytest.raises(CompanionError) as left:
            await wait_and_leave(mock)
        assert str(left.value).startswith(name)
        assert str(left.value).endswith("failed: ZeroDivisionError: a reason")
        assert isinstance(left.value.__cause__, ZeroDivisionError)
        assert left.value.exit_code == EX_SOFTWARE

    run(scenario())


def test_an_error_with_a_message_of_its_own_is_raised_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = KeyDirectoryError("the keys are gone")

    async def fail(*_arguments: object) -> None:
        raise failure

    monkeypatch.setattr("imds_mock.run.mock.keep_signatures_ready", fail)

    async def own_error() -> None:
        async with Mock(LOCAL, port=0) as mock:
            with pytest.raises(KeyDirectoryError):
                await asyncio.wait_for(mock.failed(), 60)
            raise KeyError

    async def scenario() -> None:
        with pytest.raises(KeyDirectoryError) as left:
            async with Mock(LOCAL, port=0) as mock:
                await asyncio.wait_for(mock.failed(), 60)
        assert left.value is failure
        with pytest.raises(KeyError) as both:
            await own_error()
        assert both.value.__notes__ == ["Before that, the mock failed: the keys are gone"]

    run(scenario())


PROGRAM = """
import importlib, sys
async def broken(*_arguments, **_named): raise {error}
module, _, name = {target!r}.rpartition(".")
setattr(importlib.import_module(module), name, broken)
from imds_mock.cli import main
sys.exit(main(["serve", "--host", "127.0.0.1", "--port", "0", "--set", "control.socket="]))
"""


@pytest.mark.parametrize(
    ("target", "error", "code", "sentence"),
    [
        ("keep_signatures_ready", "ZeroDivisionError(1)", 70, "the signing process failed: ZeroDivisionError: 1"),
        ("refresh_targets", "ZeroDivisionError(1)", 70, "the look-up of targets failed: ZeroDivisionError: 1"),
        ("serve_control", "ZeroDivisionError(1)", 70, "the control plane failed: ZeroDivisionError: 1"),
        (
            "serve_control",
            "importlib.import_module('imds_mock.config.errors').ConfigError('wrong')",
            78,
            "wrong",
        ),
    ],
)
def test_the_failure_of_a_part_ends_the_program_with_one_sentence(
    target: str, error: str, code: int, sentence: str
) -> None:
    program = PROGRAM.format(target=f"imds_mock.run.mock.{target}", error=error)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code
    first, *_, last = ended.stderr.splitlines()
    assert " answers on 127.0.0.1:" in first
    assert last == f"imds-mock: {sentence}"
    assert "Traceback" not in ended.stderr
