"""Small documents that are expensive to parse, in files and bodies, are rejected while other requests are served."""

from __future__ import annotations

import http.client
import json
import signal
from typing import TYPE_CHECKING

import pytest

from support.attacked_mock import AttackedMock, assert_log_is_clean, attacked_mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.attack_report import Row

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
FILES = {
    "deep lists": "[" * 40_000,
    "deep mappings": "{a: " * 20_000,
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(1000)),
    "aliases that multiply": LAUGHS,
    "an alias inside of what it names": "a: &a [*a]\n",
    "a long scalar": "a: " + "x" * 5_000_000,
    "many keys": "".join(f"k{n}: {n}\n" for n in range(60_000)),
    "no text": "\x00\xff" * 1000,
    "deep flow in a string of JSON": json.dumps({"metadata": {"meta-data/x": {"$json": "[" * 40_000}}}),
}
BODIES = {
    "deep lists": b"[" * 40_000,
    "deep mappings": b'{"a":' * 20_000,
    "a long scalar": b'"' + b"x" * 3_000_000 + b'"',
    "many keys": json.dumps({f"k{n}": n for n in range(60_000)}).encode(),
    "a long number": b'{"instance": {"ami_launch_index": ' + b"9" * 100_000 + b"}}",
    "broken text": b'{"instance": "\xff\xfe\xed\xa0\x80"}',
}
TARGETS = (("PATCH", "/v1/config"), ("POST", "/v1/events"), ("POST", "/v1/faults"), ("POST", "/v1/scenarios"))
ROUNDS = 20


@pytest.mark.parametrize("file_name", ["mock.yaml", "mock.json"])
def test_files(tmp_path: Path, row: Row, baseline_folder: Path, slack: float, file_name: str) -> None:
    options = ("--set", "server.watch_config=false")
    with attacked_mock(tmp_path, options, file_name=file_name) as mock, mock.observed(baseline_folder) as clients:
        before = mock.resident_mib()
        clients.report()
        for name, text in FILES.items():
            row.inputs += 1
            (tmp_path / file_name).write_text(text, encoding="latin-1")
            mock.process.send_signal(signal.SIGHUP)
            mock.await_log("cannot reload the configuration", row.inputs)
            assert mock.process.poll() is None, name
        met = clients.report()
        row.figures |= {**met.figures(), "memory": f"{before:.1f} {mock.resident_mib() - before:+.1f} MiB"}
        met.assert_unharmed(slack)
        assert mock.resident_mib() < before + 20
        assert_log_is_clean(mock.log())


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[AttackedMock]:
    with attacked_mock(tmp_path) as running:
        yield running


def test_bodies(mock: AttackedMock, row: Row, baseline_folder: Path, slack: float) -> None:
    statuses: dict[str, set[int]] = {}
    before = mock.resident_mib()
    with mock.observed(baseline_folder) as clients:
        clients.report()
        for name, body in BODIES.items():
            for method, path in TARGETS * ROUNDS:
                row.inputs += 1
                connection = http.client.HTTPConnection("127.0.0.1", mock.control_port, timeout=20)
                media = "application/merge-patch+json" if method == "PATCH" else "application/json"
                try:
                    connection.request(method, path, body, {"Content-Type": media})
                    statuses.setdefault(name, set()).add(connection.getresponse().status)
                except ConnectionError:
                    statuses.setdefault(name, set()).add(413)  # closed before the whole body was sent
                finally:
                    connection.close()
        met = clients.report()
    row.figures |= {**met.figures(), "memory": f"{before:.1f} {mock.resident_mib() - before:+.1f} MiB"}
    assert {status for each in statuses.values() for status in each} <= {400, 404, 413, 422}, statuses
    met.assert_unharmed(slack)
    assert mock.resident_mib() < before + 20
    assert mock.stop() == 0
    assert_log_is_clean(mock.log())
