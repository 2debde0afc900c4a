"""The page docs/testing.md and the example: their code runs as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.testing import ImdsMock
from imds_mock.testing.handles import AsyncEventHandle, EventHandle, FaultHandle
from imds_mock.testing.kinds import Credentials, Endpoint, Events, Faults, Spot
from imds_mock.testing.parts import Clock
from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs/testing.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TESTS = [block for block in BLOCKS if "def test_" in block]
SCRIPTS = [block for block in BLOCKS if block not in TESTS]


# If the plugin is not there, no request leaves this machine.
NO_ENDPOINT = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}


def run_pytest(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | NO_ENDPOINT
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    for number, block in enumerate(TESTS):
        (tmp_path / f"test_{number}.py").write_text(block)
    printed = run_pytest(tmp_path, "--rootdir", str(tmp_path))
    assert f"{len(TESTS)} passed" in printed, printed


@pytest.mark.parametrize("block", SCRIPTS)
def test_the_other_examples_on_the_page_run(block: str) -> None:
    with ImdsMock() as mock:

        def get(path: str) -> str:
            with urllib.request.urlopen(f"{mock.endpoint_url}/latest/{path}", timeout=60) as response:  # noqa: S310 - http
                return str(response.read().decode())

        exec(block, {"mock": mock, "get": get})  # noqa: S102 - the page's own code


def test_the_page_has_an_example_of_every_method() -> None:
    def public(kind: Any) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    methods = public(ImdsMock) - {"close", "check"}
    for kind in (Spot, Credentials, Endpoint, Events, Faults, Clock, EventHandle, FaultHandle, AsyncEventHandle):
        methods |= public(kind)
    code = "\n".join(BLOCKS)
    assert {name for name in methods if not re.search(rf"\.{name}\b", code)} <= {"control_url", "id"}
    assert all(f"`mock.{name}`" in PAGE or f"`{name}`" in PAGE for name in ("control_url", "id"))


def test_the_example_passes_as_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "example"
    shutil.copytree(ROOT / "examples/pytest", folder)
    printed = run_pytest(folder, "--rootdir", str(folder), "--imds-report")
    assert "4 passed" in printed, printed
    assert "0 of them IMDSv1" in printed, printed
