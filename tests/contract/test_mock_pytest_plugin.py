"""The pytest plugin in runs of its own: fixtures, marker, options, report, and its cost where no test uses it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "[pytest]\naddopts = --strict-markers --strict-config -p no:schemathesis\nfilterwarnings = error\n"


def pytest_run(folder: Path, tests: str, *options: str, settings: str = "") -> str:
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text(SETTINGS + settings)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # If the plugin does not set it, no request leaves this machine.
    environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:9"
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False).stdout


def test_the_entry_point_names_the_plugin() -> None:
    (entry,) = (each for each in importlib.metadata.entry_points(group="pytest11") if each.name == "imds")
    assert entry.value == "imds_mock.pytest_plugin"


TESTS = """
import os, urllib.request
import boto3
import pytest

def get(path):
    url = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    return urllib.request.urlopen(f"{url}/latest/{path}").read().decode()

def test_changes(imds, imds_session):
    assert imds is imds_session
    imds.configure(region="eu-central-1")
    assert boto3.Session().region_name == "eu-central-1"
    assert boto3.client("sts").meta.region_name == "eu-central-1"
    imds.spot.interrupt()
    imds.clock.advance(days=400)
    get("meta-data/spot/instance-action")

def test_sees_nothing_of_another_test(imds):
    assert imds.requests == ()
    assert imds.metadata.get("meta-data/spot/instance-action") is None
    assert boto3.client("sts").meta.region_name == "eu-west-3"
    imds.clock.advance(hours=1)

@pytest.mark.imds(region="eu-west-1", http_tokens="required", spot="terminate")
class TestMarked:
    def test_marker(self):
        assert boto3.Session().get_credentials().method == "iam-role"
        assert boto3.Session().region_name == "eu-west-1"
        with pytest.raises(Exception, match="401"):
            get("meta-data/")

    @pytest.mark.imds(region="eu-west-2", rebalance=True)
    def test_closer_marker_wins(self, imds):
        assert imds.region == "eu-west-2"
        assert "terminate" in imds.metadata["meta-data/spot/instance-action"]
        assert "noticeTime" in imds.metadata["meta-data/events/recommendations/rebalance"]

def test_environment_is_restored():
    assert os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == "http://127.0.0.1:9"
"""


def test_each_test_gets_a_fresh_service_that_clients_find(tmp_path: Path) -> None:
    (tmp_path / "imds.yaml").write_text("instance: {region: eu-west-3}\n")
    printed = pytest_run(tmp_path, TESTS, settings="imds_config = imds.yaml\n")
    assert "5 passed" in printed, printed


def test_a_wrong_marker_fails_that_test_and_names_the_nearest_key(tmp_path: Path) -> None:
    tests = """
import pytest
@pytest.mark.imds(regoin="eu-west-1")
def test_wrong_key(): pass
@pytest.mark.imds(spott="terminate")
def test_wrong_event(): pass
@pytest.mark.imds(http_tokens="maybe")
def test_wrong_value(): pass
@pytest.mark.imds(spot="explode")
def test_wrong_action(): pass
@pytest.mark.imds("eu-west-1")
def test_positional(): pass
def test_right(imds): assert imds.region == "us-east-1"
"""
    printed = pytest_run(tmp_path, tests)
    assert "1 passed, 5 errors" in printed, printed
    for sentence in (
        "marker imds: unknown setting regoin='eu-west-1'; did you mean region?",
        "marker imds: unknown setting spott='terminate'; did you mean spot?",
        "expected optional or required, got 'maybe'",
        "expected terminate or stop or hibernate, got 'explode'",
        "takes keywords such as region=..., got ('eu-west-1',)",
    ):
        assert sentence in printed, printed


def test_a_crash_fails_the_test_that_meets_it_and_the_next_one_gets_a_new_mock(tmp_path: Path) -> None:
    tests = """
def test_crash(imds):
    async def crash():
        raise ZeroDivisionError("in the mock")
    imds._thread.call(lambda: imds._mock._companions.start("a part", crash()))
    imds._thread._thread.join(60)

def test_after(imds): assert imds.region == "us-east-1"
"""
    printed = pytest_run(tmp_path, tests)
    assert "2 passed, 1 error" in printed, printed
    assert re.search(r"ERROR at teardown of test_crash", printed)
    assert 'raise ZeroDivisionError("in the mock")' in printed


def test_the_environment_can_be_left_alone(tmp_path: Path) -> None:
    tests = """
import os
def test_it(imds): assert os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == "http://127.0.0.1:9"
"""
    assert "1 passed" in pytest_run(tmp_path, tests, settings="imds_environment = false\n")


def test_the_report_lists_requests_and_imdsv1_calls_by_test(tmp_path: Path) -> None:
    tests = """
import boto3, urllib.request
def test_old(imds): urllib.request.urlopen(imds.endpoint_url + "/latest/meta-data/ami-id").close()
def test_new(imds): boto3.Session().get_credentials()
def test_none(): pass
"""
    printed = pytest_run(tmp_path, tests, "--imds-report")
    section = printed.partition("EC2 metadata service")[2].splitlines()
    assert [line for line in section if line][1:5] == [
        "4 requests by 2 tests, 1 of them IMDSv1",
        "requests  IMDSv1  test",
        "       1       1  test_it.py::test_old  (/latest/meta-data/ami-id)",
        "       3       0  test_it.py::test_new",
    ], printed


def test_a_run_that_does_not_use_it_loads_nothing(tmp_path: Path) -> None:
    tests = """
import sys
def test_it():
    assert "imds_mock.pytest_plugin" in sys.modules
    loaded = [name for name in sys.modules if name.startswith("imds_mock.") and name != "imds_mock.pytest_plugin"]
    assert loaded == []
    assert "msgspec" not in sys.modules
"""
    printed = pytest_run(tmp_path, tests)
    assert "1 passed" in printed, printed


def test_the_package_is_imported_without_assertion_rewriting(tmp_path: Path) -> None:
    tests = """
import importlib.machinery
def test_it(imds):
    import imds_mock.run.mock, imds_mock.testing
    for module in (imds_mock.run.mock, imds_mock.testing):
        assert type(module.__spec__.loader) is importlib.machinery.SourceFileLoader
"""
    printed = pytest_run(tmp_path, tests)
    assert "1 passed" in printed, printed


@pytest.mark.measures_time
def test_fixtures_cost_little(tmp_path: Path) -> None:
    tests = "import pytest\n@pytest.mark.parametrize('n', range(200))\ndef test_it(imds, n): pass\n"
    printed = pytest_run(tmp_path, tests, "--durations=0", "-vv")
    setups = sorted(float(found) for found in re.findall(r"^([\d.]+)s setup", printed, re.MULTILINE))
    assert len(setups) == 200, printed
    assert setups[100] <= 0.005
