"""All workflows for GitHub Actions, also those in `examples/ci`, pass actionlint, which checks their shell commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.conformance.go import VARIABLES
from support.paths import ROOT
from toolchains import go

MODULE = ROOT / "tests/conformance/actionlint"
EXAMPLES = sorted((ROOT / "examples/ci").glob("github-actions-*.yaml"))
OWN = sorted((ROOT / ".github/workflows").glob("*.yaml"))

Actionlint = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Actionlint:
    # Built in a step of its own: `go tool` would also say what it downloads.
    program = tmp_path_factory.mktemp("actionlint") / "actionlint"
    build = [str(go()), "build", "-o", str(program), "github.com/rhysd/actionlint/cmd/actionlint"]
    subprocess.run(build, cwd=MODULE, env=os.environ | VARIABLES, check=True)
    shellcheck = Path(sys.executable).with_name("shellcheck")

    def run(workflow: Path) -> subprocess.CompletedProcess[str]:
        command = [str(program), "-no-color", f"-shellcheck={shellcheck}", str(workflow)]
        return subprocess.run(command, cwd=MODULE, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("workflow", [*EXAMPLES, *OWN], ids=lambda workflow: workflow.name)
def test_the_workflow_passes(actionlint: Actionlint, workflow: Path) -> None:
    done = actionlint(workflow)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_there_are_workflows() -> None:
    assert len(EXAMPLES) >= 2
    assert [each.name for each in OWN] == ["check.yaml", "release.yaml"]


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-1.04", "[runner-label]"),
        ("run: make test", "run: make test ${{ vars.X.Y }}", "[expression]"),
        ("run: make test", "run: make $target", "shellcheck"),
    ],
)
def test_a_mistake_is_found(actionlint: Actionlint, tmp_path: Path, right: str, wrong: str, finding: str) -> None:
    workflow = tmp_path / "test.yaml"
    shutil.copy(ROOT / "examples/ci/github-actions-service.yaml", workflow)
    assert right in workflow.read_text()
    workflow.write_text(workflow.read_text().replace(right, wrong))
    done = actionlint(workflow)
    assert done.returncode == 1
    assert finding in done.stdout
