"""The examples in which the mock has the address 169.254.169.254: what their pages claim."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from engine import BASE_IMAGE
from support.containers import IMDS, INSTANCE_ID
from support.examples import ASK, Example, example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

TWO_SECONDS_THREE_TIMES = 6
"""Two seconds are promised; without an announcement it is half a minute. This machine builds images beside."""
UNTIL_READ = f"until {' '.join(ASK)}; do :; done >/dev/null; date --utc +%Y-%m-%dT%H:%M:%S.%N"
REPLICAS = (1, 2, 3)
ROUNDS = 25
IMDS_IN_HEXADECIMAL = "FEA9FEA9"


@pytest.fixture(autouse=True)
def images(mock_image: str, shim_image: str) -> None:
    assert (mock_image, shim_image) == ("imds-mock", "imds-shim")


@pytest.fixture
def link_local_ip(docker: Docker) -> Iterator[Example]:
    with example(docker, "link-local-ip") as made:
        yield made


@pytest.fixture
def link_local_route(docker: Docker) -> Iterator[Example]:
    with example(docker, "link-local-route") as made:
        yield made


def sets(example: Example) -> dict[str, str]:
    """The capability sets and the user of the application, as the kernel shows them."""
    status = example.docker("exec", example.container("app"), "cat", "/proc/1/status").stdout
    return dict(re.findall(r"^(Cap\w+|Uid):\t(\S+)", status, re.MULTILINE))


NOTHING_AT_ALL = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16)


def hardware_address(docker: Docker, container: str, network: str) -> str:
    return str(docker.inspect(container, f'(index .NetworkSettings.Networks "{network}").MacAddress'))


def when(text: str) -> datetime:
    """Docker and `date` write nine digits of a second."""
    found = re.search(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})", text)
    assert found, text
    return datetime.fromisoformat(f"{found[1]}+00:00")


def failures(example: Example, reads: int, seconds: int) -> int:
    """How many reads fail within some seconds each when all replicas read at the same time."""
    ask = " ".join(ASK).replace("--max-time 1", f"--max-time {seconds}")
    script = f"n=0; for _ in $(seq {reads}); do {ask} >/dev/null || n=$((n + 1)); done; echo $n"

    def failed(number: int) -> int:
        return int(example.compose("exec", "-T", "--index", str(number), "app", "sh", "-c", script).stdout)

    with ThreadPoolExecutor(len(REPLICAS)) as pool:
        return sum(pool.map(failed, REPLICAS))


def test_a_mock_recreated_under_another_hardware_address(link_local_ip: Example, docker: Docker) -> None:
    example = link_local_ip
    example.up()
    app, mock, network = example.container("app"), example.container("mock_metadata"), f"{example.project}_default"
    assert sets(example) == {**NOTHING_AT_ALL, "Uid": "1000"}
    assert example.ask().stdout == INSTANCE_ID
    old = hardware_address(docker, mock, network)
    example.compose("rm", "--stop", "--force", "mock_metadata")
    # Somebody takes its ordinary address, from which some engines derive the hardware address.
    with docker.container(BASE_IMAGE, ["sleep", "600"], ["--network", network]):
        example.compose("up", "--detach", "mock_metadata")
        read = when(docker("exec", app, "timeout", "90", "sh", "-c", UNTIL_READ).stdout)
        # The measurement itself takes two of docker's commands, which a busy machine delays.
        began = time.monotonic()
        docker("exec", app, "timeout", "90", "sh", "-c", UNTIL_READ)
        delay = time.monotonic() - began
    assert hardware_address(docker, mock, network) != old
    docker.await_log(mock, "announced to the neighbours: 169.254.169.254")
    answering = when(docker("logs", "--timestamps", mock).stderr)
    assert (read - answering).total_seconds() < TWO_SECONDS_THREE_TIMES + 2 * delay


def test_an_application_is_its_own_instance_with_its_ordinary_address(link_local_ip: Example, docker: Docker) -> None:
    link_local_ip.up()
    app = link_local_ip.container("app")

    def ctl(*words: str) -> Any:
        done = docker("exec", link_local_ip.container("mock_metadata"), "imds-mock", "ctl", *words)
        assert done.stderr == "", done.stderr
        return json.loads(done.stdout)

    def read(path: str) -> str:
        return docker("exec", app, "curl", "-sf", "--max-time", "30", f"{IMDS}/latest/meta-data/{path}").stdout

    ctl("config", "patch", '{"identity": "per-container"}', "--json")
    networks = f'(index .NetworkSettings.Networks "{link_local_ip.project}_default")'
    address = docker.inspect(app, f"{networks}.IPAddress")
    assert (read("local-ipv4"), read("mac")) == (address, docker.inspect(app, f"{networks}.MacAddress"))
    seen = {who: ctl("whoami", "--caller", who, "--json") for who in ("app", app, address, "169.254.100.1")}
    assert {each["instance_id"] for each in seen.values()} == {read("instance-id")}
    assert {frozenset(each["addresses"]) for each in seen.values()} == {frozenset({"169.254.100.1", address})}
    assert {each["container"] for each in seen.values()} == {app}


def test_replicas_with_one_link_local_address_lose_answers(link_local_ip: Example) -> None:
    link_local_ip.up("--scale", "app=3")
    # Whose answers are lost is a matter of whom the mock heard last, so that now and then a few reads go well.
    assert any(failures(link_local_ip, 4, 1) for _ in range(ROUNDS))


def test_replicas_with_a_route_read_all_at_once(link_local_route: Example, docker: Docker) -> None:
    link_local_route.up("--scale", "app=3")
    for number in REPLICAS:
        docker.await_log(link_local_route.container("app", number), "route 169.254.169.254/32 dev ")
        docker.await_program(link_local_route.container("app", number), "sleep")
    assert sets(link_local_route) == {**NOTHING_AT_ALL, "Uid": "0"}
    assert failures(link_local_route, 50, 3) == 0


def test_the_network_takes_the_route_of_the_engines_machine(own_docker: Docker) -> None:
    def route_of_the_machine() -> bool:
        words = ("run", "--rm", "--network", "host", BASE_IMAGE, "cat", "/proc/net/route")
        lines = [line.split() for line in own_docker(*words).stdout.splitlines()[1:]]
        # Columns 2 and 8, destination and mask, are in the machine's byte order, as the address is here.
        return any(int(IMDS_IN_HEXADECIMAL, 16) & int(line[7], 16) == int(line[1], 16) != 0 for line in lines)

    assert not route_of_the_machine()
    with own_docker.network("--internal", "--subnet", "169.254.169.0/24"):
        assert route_of_the_machine()
