"""An unmodified boto3 application behind the shim survives throttling and expiring credentials.

Its clock is moved by libfaketime, which no line of boto3 notices; the mock's times are moved with it by a fault.
"""

from __future__ import annotations

import json
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.containers import served_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

IMAGE = Path(__file__).parent / "images" / "sdks"
SETTINGS = {
    "FAKETIME_TIMESTAMP_FILE": "/tmp/clock",  # noqa: S108 - in a container
    "FAKETIME_NO_CACHE": "1",
    # Botocore tries once where nothing is said, and the first 503 is the application's.
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3",
}
# One line for each line that it is sent: the key with which a request would be signed now.
APPLICATION = """
import sys, boto3
credentials = boto3.Session().get_credentials()
for _ in sys.stdin:
    print(credentials.get_frozen_credentials().access_key, flush=True)
"""
START = f"exec env LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1) python3 -c '{APPLICATION}'"


class Application:
    """The application as a process that is asked with which key it would sign."""

    def __init__(self, docker: Docker, container: str, process: subprocess.Popen[str]) -> None:
        self._docker, self.container, self._process = docker, container, process

    def key(self) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def clock(self, seconds: float) -> None:
        """Set its clock so many seconds ahead."""
        self._docker("exec", "-i", self.container, "sh", "-c", "cat > /tmp/clock", input_text=f"+{seconds:.0f}")


@pytest.fixture
def application(docker: Docker, debug_image: str, network: str, mock: str) -> Iterator[Application]:
    del debug_image  # it only has to be there
    image = docker.build("imds-e2e-sdks", IMAGE)
    settings = [f"--env={name}={value}" for name, value in SETTINGS.items()]
    options = ["--network", network, "--cap-add", "NET_ADMIN", "--env", "MOCK_HOSTNAME=mock_metadata", *settings]
    with docker.container(image, options=options) as container:
        docker.await_log(container, " -> ")
        docker("exec", "-i", container, "sh", "-c", "cat > /tmp/clock", input_text="+0")
        with subprocess.Popen(
            ["docker", "exec", "-i", container, "sh", "-c", START],
            env=dict(docker.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Application(docker, container, process)
            finally:
                process.kill()
                docker("exec", mock, "imds-mock", "ctl", "reset")


def test_keys_are_renewed_through_a_burst_of_503s_and_again_when_they_have_ended(
    docker: Docker, mock: str, application: Application
) -> None:
    def ctl(*words: str) -> str:
        return docker("exec", mock, "imds-mock", "ctl", *words).stdout

    ctl("requests", "--clear")
    first = application.key()
    served = served_credentials(docker, application.container)
    assert served["AccessKeyId"] == first
    left = datetime.fromisoformat(served["Expiration"]).timestamp() - time.time()

    # Twelve minutes before the end boto3 wants new keys.
    ahead = left - 12 * 60
    ctl("fault", "add", "clock-skew", f"{ahead:.0f}")
    ctl("credentials", "rotate")
    ctl("fault", "add", "status", "503", "--path", "*/iam/*", "--count", "2")
    ctl("requests", "--clear")
    application.clock(ahead)
    second = application.key()
    assert second.startswith("ASIA")
    assert second != first
    assert application.key() == second
    statuses = [each["status"] for each in json.loads(ctl("requests", "--path", "*/iam/*", "--json"))]
    assert statuses == [503, 503, 200, 200]

    # Past the end there is nothing left to live on: the next call must have new keys, and has.
    application.clock(ahead + 7 * 3600)
    ctl("fault", "clear")
    ctl("fault", "add", "clock-skew", f"{ahead + 7 * 3600:.0f}")
    ctl("credentials", "rotate")
    third = application.key()
    assert third.startswith("ASIA")
    assert third not in {first, second}
