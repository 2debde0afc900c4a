"""The commands of docs/identity-document.md, unchanged, against a running mock."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.paths import PROGRAMS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs/identity-document.md"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a shell beside a running mock: its address and its temporary directory."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "TMPDIR": str(temporary),
        "IMDS_MOCK_HTTP_TOKENS": "required",
    }
    with subprocess.Popen(
        [PROGRAMS / "imds-mock", "serve", "--host", "127.0.0.1", "--port", "0", "--access-log", "off"],
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
    ) as mock:
        assert mock.stderr is not None
        port = re.search(r"answers on 127\.0\.0\.1:(\d+)", mock.stderr.readline())
        assert port
        yield variables | {"IMDS": f"http://127.0.0.1:{port[1]}"}
        mock.terminate()


def test_the_documented_commands_verify_the_document(environment: dict[str, str], tmp_path: Path) -> None:
    commands = re.search(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert commands
    # Reading a signature writes the certificates if the mock has not done so yet.
    waiting = (
        'token=$(curl -s -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$IMDS/latest/api/token"); '
        'curl -s -H "X-aws-ec2-metadata-token: $token" "$IMDS/latest/dynamic/instance-identity/signature" > waited\n'
    )
    run = subprocess.run(
        ["bash", "-eu", "-c", waiting + commands[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    document = (tmp_path / "document").read_text()
    assert json.loads(document)["instanceId"] == "i-1234567890abcdef0"
    assert run.stdout.startswith("certificates/signature.pem\n")
    assert run.stdout.endswith(f"Verified OK\n{document}{document}")
    assert run.stderr.count("Verification successful") == 2
