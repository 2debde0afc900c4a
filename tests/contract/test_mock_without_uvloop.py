"""The mock on plain asyncio: tests of the data plane, embedding and `imds_mock.testing` without uvloop."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.paths import ROOT

BLOCKED = ROOT / "tests/support/without_uvloop"
FILES = (
    "tests/unit/test_mock_listening.py",
    "tests/contract/test_mock_companions.py",
    "tests/contract/test_mock_embedding.py",
    "tests/contract/test_mock_faults_wire.py",
    "tests/contract/test_mock_server_http.py",
    "tests/contract/test_mock_server_limits.py",
    "tests/contract/test_mock_testing.py",
)


def without_uvloop(*command: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ["PYTHONPATH"] = str(BLOCKED)
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_the_event_loop_is_asyncios() -> None:
    code = "from imds_mock.run.program import LOOP_FACTORY; print(LOOP_FACTORY.__module__)"
    assert without_uvloop("-c", code).stdout == "asyncio.events\n"


@pytest.mark.parametrize("file", FILES)
def test_the_tests_pass(file: str) -> None:
    run_tests("not measures_time", file)


@pytest.mark.measures_time
def test_the_tests_that_measure_time_pass() -> None:
    run_tests("measures_time", "tests/contract/test_mock_testing.py")


def run_tests(mark: str, file: str) -> None:
    done = without_uvloop("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", mark, file)
    assert done.returncode == 0, done.stdout + done.stderr
