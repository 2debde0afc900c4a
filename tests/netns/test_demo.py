"""The demo without Docker: the same programs, a real rule on the real kernel, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys

from support.paths import ROOT
from support.processes import in_session


def test_the_embedded_lab_shows_the_transcript_and_leaves_nothing() -> None:
    demo = subprocess.Popen(
        [sys.executable, ROOT / "scripts" / "demo.py", "--lab"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out, errors = demo.communicate(timeout=120)
    assert demo.returncode == 0, errors
    shown = out.splitlines()
    asked = shown.index("debug$ curl -s http://169.254.169.254/latest/meta-data/instance-id")
    assert shown[asked + 1] == "i-1234567890abcdef0"
    assert "us-east-1" in shown
    assert any("--to-destination 172.31.254.2:80" in line or "dnat to 172.31.254.2:80" in line for line in shown)
    assert "imds-shim: 169.254.169.254:80 -> 172.31.254.2:80 (mock_metadata)" in errors.splitlines()
    assert in_session(demo.pid) == []
