"""The examples that set up the application's network namespace from beside: what their page claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine import BASE_IMAGE
from support.containers import INSTANCE_ID
from support.examples import Example, example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

SIDECAR = "compose.sidecar.yaml"
# perl is what the smallest Debian has.
OWN_SERVER = (
    'my $l = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die "$!";'
    " while (my $c = $l->accept)"
    ' { sysread $c, my $b, 4096; print $c "HTTP/1.0 200 OK\\r\\n\\r\\nthe application"; close $c }'
)


@pytest.fixture
def shared_namespace(docker: Docker, mock_image: str, shim_image: str) -> Iterator[Example]:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")
    with example(docker, "shared-namespace") as made:
        yield made


def removed(example: Example) -> str:
    """What the shim finds to remove in the application's namespace: asked without a packet to 169.254.169.254."""
    words = ("run", "--rm", "--network", f"container:{example.container('app')}", "--cap-add", "NET_ADMIN")
    return example.docker(*words, "imds-shim", "--remove").stderr


def ended(example: Example) -> None:
    """Wait for the one-shot; `docker compose wait` fails if it has ended already."""
    assert example.docker("wait", example.container("app_metadata")).stdout == "0\n"


def test_the_application_is_as_it_would_be_alone(shared_namespace: Example) -> None:
    example = shared_namespace
    example.up()
    example.docker.await_log(example.container("app_metadata"), " -> ")
    assert example.ask().stdout == INSTANCE_ID
    told = example.docker("exec", example.container("app"), "sh", "-c", "cat /proc/1/comm; grep CapEff /proc/1/status")
    alone = example.docker("run", "--rm", f"{example.project}-app", "grep", "CapEff", "/proc/self/status")
    assert told.stdout == f"sleep\n{alone.stdout}"


def test_a_restart_behind_compose_leaves_nothing_and_compose_repairs_it(shared_namespace: Example) -> None:
    example = shared_namespace
    example.up()
    example.docker.await_log(example.container("app_metadata"), " -> ")
    example.docker("restart", example.container("app"))
    assert removed(example) == "imds-shim: removed 0 rules and 0 routes\n"
    example.compose("up", "--detach")
    ended(example)
    assert example.ask().stdout == INSTANCE_ID


def test_a_mock_with_another_address_needs_the_one_shot_again(shared_namespace: Example) -> None:
    example = shared_namespace
    example.up()
    example.docker.await_log(example.container("app_metadata"), " -> ")
    example.compose("rm", "--stop", "--force", "mock_metadata")
    # Somebody takes its address.
    network = ["--network", f"{example.project}_default"]
    with example.docker.container(BASE_IMAGE, ["sleep", "600"], network):
        example.up("mock_metadata")
        example.compose("restart", "app_metadata")
        ended(example)
    assert example.ask().stdout == INSTANCE_ID


def test_a_sidecar_is_left_in_a_dead_namespace_and_leaves_port_80_alone(shared_namespace: Example) -> None:
    example = shared_namespace
    example.up(file=SIDECAR)
    example.docker.await_log(example.container("app_metadata"), " -> ")
    example.docker("exec", "--detach", example.container("app"), "perl", "-MIO::Socket::INET", "-e", OWN_SERVER)
    own = ("curl", "-s", "--retry", "20", "--retry-connrefused", "--retry-delay", "0", "http://127.0.0.1")
    assert example.docker("exec", example.container("app"), *own).stdout == "the application"
    assert example.ask(file=SIDECAR).stdout == INSTANCE_ID
    example.docker("restart", example.container("app"))
    nobody = example.docker("exec", example.container("app"), "curl", "-s", "http://127.0.0.1:1338", check=False)
    assert nobody.returncode == 7, "curl's 7 is a failed connect"
    example.compose("restart", "app", file=SIDECAR)
    ended(example)
    assert example.ask(file=SIDECAR).stdout == INSTANCE_ID
