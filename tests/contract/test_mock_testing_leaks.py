"""What mocks for tests leave behind: no thread, no descriptor, no memory. No other mock runs beside these."""

from __future__ import annotations

import gc
import threading
import urllib.request
import weakref
from pathlib import Path

from imds_mock.testing import ImdsMock


def test_nothing_is_left_behind() -> None:
    def cycle() -> weakref.ref[ImdsMock]:
        with ImdsMock() as mock:
            with urllib.request.urlopen(f"{mock.endpoint_url}/latest/meta-data/instance-id", timeout=60):  # noqa: S310 - http
                pass
            mock.spot.interrupt()
        return weakref.ref(mock)

    cycle()
    gc.collect()
    before = (threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))
    mocks = [cycle() for _ in range(10)]
    gc.collect()
    assert [each() for each in mocks] == [None] * 10
    assert (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) == before


def test_many_tests_with_one_mock_take_no_more_memory() -> None:
    with ImdsMock() as mock:

        def objects_after(tests: int) -> int:
            for _ in range(tests):
                mock.reset()
                mock.configure(region="eu-west-1")
                mock.spot.interrupt()
                mock.faults.status(503)
                mock.metadata["meta-data/own"] = "x"
            mock.reset()
            gc.collect()
            return len(gc.get_objects())

        first = objects_after(50)
        assert objects_after(200) - first < 200
