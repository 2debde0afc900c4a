"""The pytest plugin under pytest-xdist: 1,000 tests in two workers clash on no port and leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Each worker notes its threads, descriptors and memory after its first 50 tests and after its last one.
CONFTEST = """
import gc, json, os, pathlib, threading
import pytest

done = 0

def taken():
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    return {"threads": threading.active_count(), "descriptors": descriptors, "mib": pages * 4096 / 2**20}

def note(name, **more):
    file = pathlib.Path(f"{os.environ['PYTEST_XDIST_WORKER']}-{name}.json")
    file.write_text(json.dumps(taken() | more))

@pytest.fixture(autouse=True)
def _counted(imds):
    global done
    yield
    done += 1
    if done == 50:
        note("early")
    if done % 50 == 0:
        note("late", url=imds.endpoint_url, tests=done)
"""
TESTS = """
import os, urllib.request
import pytest

@pytest.mark.parametrize("number", range(1000))
def test_it(imds, number):
    imds.configure(region=("eu-west-1", "eu-west-2")[number % 2])
    if number % 5 == 0:
        imds.spot.interrupt()
    url = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    with urllib.request.urlopen(f"{url}/latest/meta-data/placement/region", timeout=30) as response:
        assert response.read().decode() == imds.region == ("eu-west-1", "eu-west-2")[number % 2]
    assert len(imds.requests) == 1
"""


@pytest.mark.measures_time
def test_a_thousand_tests_in_two_workers(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # If the plugin does not set it, no request leaves this machine.
    environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:9"
    options = ("-n", "2", "-p", "no:cacheprovider", "-p", "no:schemathesis", "--durations=0", "-vv")
    printed = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "1000 passed" in printed, printed[-3000:]
    early, late = (
        [json.loads((tmp_path / f"gw{worker}-{name}.json").read_text()) for worker in (0, 1)]
        for name in ("early", "late")
    )
    assert len({worker["url"] for worker in late}) == 2
    assert sum(worker["tests"] for worker in late) >= 900
    for first, last in zip(early, late, strict=True):
        assert last["threads"] <= first["threads"]
        assert last["descriptors"] <= first["descriptors"]
        assert last["mib"] - first["mib"] < 8
    setups = sorted(float(found) for found in re.findall(r"^([\d.]+)s setup", printed, re.MULTILINE))
    assert len(setups) == 1000
    assert statistics.median(setups) <= 0.005, setups[-4:]
    # Each worker starts one mock, in the set-up of its first test.
    assert setups[-2] <= 3 * 0.25, setups[-4:]
