"""The demo without Docker: the same programs, a real rule on the real kernel, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT
from support.processes import in_session
from support.pseudo_terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# As for users other than root, /run cannot be written: the lock of iptables is there.
CLOSED_RUN = (
    *("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))),
    *("sh", "-c", 'mount -t tmpfs -o ro tmpfs /run && exec "$@"', "sh"),
)


def start(within: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*within, sys.executable, ROOT / "scripts" / "demo.py", "--lab"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("within", [(), CLOSED_RUN], ids=["as it is", "/run closed"])
def test_the_embedded_lab_shows_the_transcript_and_leaves_nothing(within: Sequence[str]) -> None:
    demo = start(within)
    out, errors = demo.communicate(timeout=300)
    assert demo.returncode == 0, errors
    shown = out.splitlines()
    asked = shown.index("debug$ curl -s http://169.254.169.254/latest/meta-data/instance-id")
    assert shown[asked + 1] == "i-1234567890abcdef0"
    assert "us-east-1" in shown
    assert any("--to-destination 172.31.254.2:80" in line or "dnat to 172.31.254.2:80" in line for line in shown)
    assert re.findall(r" ((?:GET|PUT) \S+) 200 ", out) == [
        "GET /latest/meta-data/instance-id",
        "PUT /latest/api/token",
        "GET /latest/meta-data/placement/region",
        "GET /latest/meta-data/iam/security-credentials/",
    ]
    assert "imds-shim: 169.254.169.254:80 -> 172.31.254.2:80 (mock_metadata)" in errors.splitlines()
    assert re.fullmatch(r"# The mock's page was at http://127\.0\.0\.1:\d+/ui/; run the demo .*", shown[-2])
    assert in_session(demo.pid) == []


def test_a_reader_that_leaves_ends_it_quietly_and_leaves_nothing() -> None:
    with start() as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        assert demo.stdout.readline().startswith("mock_metadata$ ")
        demo.stdout.close()
        errors = demo.stderr.read()
        assert (demo.wait(), "Error" in errors) == (141, False), errors
        assert in_session(demo.pid) == []


def test_in_a_terminal_it_waits_while_the_user_looks_at_the_page() -> None:
    command: list[str | Path] = [sys.executable, ROOT / "scripts" / "demo.py", "--lab"]
    with terminal(command, dict(os.environ), 120) as shown:
        shown.await_text(r"Press Enter to end the demo\.")
        address = re.search(r"Now look at the mock's page: http://(\S+)/ui/$", shown.output, re.MULTILINE)
        assert address is not None
        with urllib.request.urlopen(f"http://{address[1]}/ui/", timeout=60) as page:
            assert "<title>" in page.read().decode()
        before = requests(address[1])
        while requests(address[1]) <= before:
            pass
        shown.type("\n")
        assert shown.end() == 0


def requests(address: str) -> int:
    """The number of recorded requests."""
    with urllib.request.urlopen(f"http://{address}/v1/status", timeout=60) as answer:
        return int(json.load(answer)["requests"])
