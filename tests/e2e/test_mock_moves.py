"""A mock that is recreated with another address: what follows it, and what the application notices of the follower."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from containers import IMDS, INSTANCE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from containers import Docker

# Tried again until it works, so that the test waits for what it asks for and no longer.
ASK = (
    *("curl", "--silent", "--connect-timeout", "0.3", "--max-time", "30"),
    *("--retry", "100", "--retry-all-errors", "--retry-delay", "0", "--retry-max-time", "30"),
    f"{IMDS}/latest/meta-data/instance-id",
)
TWO_SECONDS_THREE_TIMES = 6
"""What is promised is measured elsewhere, in peace; this machine builds images beside."""


@contextlib.contextmanager
def mock_on(docker: Docker, image: str, network: str) -> Iterator[str]:
    """A mock that is up; gives its address."""
    with docker.container(image, options=["--network", network, "--network-alias", "mock_metadata"]) as name:
        docker.await_log(name, "answers on")
        yield str(docker.inspect(name, f'(index .NetworkSettings.Networks "{network}").IPAddress'))


def test_the_rule_follows_the_mock(docker: Docker, debug_image: str, mock_image: str) -> None:
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(docker.network())
        first = contextlib.ExitStack()
        with first:
            address = first.enter_context(mock_on(docker, mock_image, network))
            settings = ["--env", "MOCK_HOSTNAME=mock_metadata", "--env", "MOCK_FOLLOW=1"]
            options = ["--network", network, "--cap-add", "NET_ADMIN", *settings]
            application = stack.enter_context(docker.container(debug_image, ["sleep", "3600"], options))
            docker.await_log(application, " -> ")
            assert docker("exec", application, *ASK).stdout == INSTANCE_ID
        # Somebody else may get the address that has become free, and does not answer there.
        stack.enter_context(docker.container(debug_image, ["3600"], ["--network", network, "--entrypoint", "sleep"]))
        assert stack.enter_context(mock_on(docker, mock_image, network)) != address
        started = time.monotonic()
        assert docker("exec", application, *ASK).stdout == INSTANCE_ID
        assert time.monotonic() - started < TWO_SECONDS_THREE_TIMES
        assert docker("exec", application, "cat", "/proc/1/comm").stdout == "sleep\n"


def test_the_container_ends_with_its_application_and_the_follower_with_it(
    docker: Docker, debug_image: str, network: str, mock: str
) -> None:
    del mock  # it only has to be there
    options = ["--network", network, "--cap-add", "NET_ADMIN", "--env", "MOCK_HOSTNAME=mock_metadata"]
    # It has no children that it could wait for, though the follower is there.
    script = "for status in /proc/[0-9]*/status; do echo $status; done | wc -l; wait; echo done waiting; exit 7"
    options += ["--env", "MOCK_FOLLOW=1", "--rm"]
    done = docker("run", *options, debug_image, "bash", "-c", script, check=False, timeout=30)
    processes, *rest = done.stdout.splitlines()
    assert (rest, done.returncode) == (["done waiting"], 7)
    # The application, the subshell of the pipe, wc, and the follower.
    assert int(processes) == 4
