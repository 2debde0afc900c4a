"""Networks on which a redirect alone does not work, another container's network, and the IPv6 endpoint.

The application's container holds the network, the shim runs in it: so it can be shown that it did not work before.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from containers import IMDS, INSTANCE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from containers import Completed, Docker

SHIM = "/opt/imds-shim/bin/imds-shim"
ASK = ("curl", "--silent", "--show-error", "--max-time", "2", f"{IMDS}/latest/meta-data/instance-id")
NOT_CONNECTED, TIMED_OUT = 7, 28  # curl's exit codes
RULES = "iptables-legacy-save -t nat | grep -v '^[#:]'; nft --stateless list ruleset; ip route; ip -6 route"
BY_HAND = (
    "nft add table ip hand; nft 'add chain ip hand output { type nat hook output priority -100; }';"
    " nft add rule ip hand output ip daddr 169.254.169.254 tcp dport 80 dnat to"
)


class Application:
    """A container with tools, NET_ADMIN and no shim started yet."""

    def __init__(self, docker: Docker, container: str) -> None:
        self._docker = docker
        self.name = container

    def __call__(self, *command: str, check: bool = False) -> Completed:
        return self._docker("exec", self.name, *command, check=check)

    def started(self, *command: str, **settings: str) -> Completed:
        settings = {"MOCK_HOSTNAME": "mock_metadata", "MOCK_TIMEOUT_SECONDS": "20"} | settings
        words = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        return self._docker("exec", *words, self.name, SHIM, *command, check=False)

    def with_the_rule_alone(self, address: str) -> int:
        """How curl ends when a rule like ours is all there is; the rule is taken away again."""
        self("sh", "-ec", f"{BY_HAND} {address}", check=True)
        asked = self(*ASK)
        self("nft", "delete", "table", "ip", "hand", check=True)
        return asked.returncode


@contextlib.contextmanager
def application(docker: Docker, image: str, network: str) -> Iterator[Application]:
    options = ["--network", network, "--cap-add", "NET_ADMIN", "--entrypoint", "sleep"]
    with docker.container(image, ["3600"], options) as name:
        yield Application(docker, name)


@contextlib.contextmanager
def mock_on(docker: Docker, image: str, network: str) -> Iterator[str]:
    with docker.container(image, options=["--network", network, "--network-alias", "mock_metadata"]) as name:
        docker.await_log(name, "answers on")
        yield name


def address_on(docker: Docker, container: str, network: str, family: str = "IPAddress") -> str:
    return str(docker.inspect(container, f'(index .NetworkSettings.Networks "{network}").{family}'))


def test_an_application_on_two_networks_with_the_mock_on_the_second(
    docker: Docker, tools_image: str, mock: str, network: str
) -> None:
    with docker.network() as first, application(docker, tools_image, first) as app:
        docker("network", "connect", network, app.name)
        gateway = docker.inspect(app.name, f'(index .NetworkSettings.Networks "{first}").Gateway')
        app("ip", "route", "replace", "default", "via", gateway, check=True)
        assert app.with_the_rule_alone(address_on(docker, mock, network)) == TIMED_OUT
        assert app.started(*ASK).stdout == INSTANCE_ID


def test_a_network_without_a_way_out(docker: Docker, tools_image: str, mock_image: str) -> None:
    with (
        docker.network("--internal") as inside,
        mock_on(docker, mock_image, inside) as mock,
        application(docker, tools_image, inside) as app,
    ):
        # Some engines give such a network a default route that leads nowhere.
        app("ip", "route", "flush", "default", check=True)
        assert app.with_the_rule_alone(address_on(docker, mock, inside)) == NOT_CONNECTED
        assert app.started(*ASK).stdout == INSTANCE_ID


def test_the_ipv6_endpoint(docker: Docker, tools_image: str, mock_image: str) -> None:
    with (
        docker.network("--ipv6", "--subnet", "fd00:77::/64") as both,
        mock_on(docker, mock_image, both) as mock,
        application(docker, tools_image, both) as app,
    ):
        assert address_on(docker, mock, both, "GlobalIPv6Address")
        asked = (*ASK[:-1], "--globoff", "http://[fd00:ec2::254]/latest/meta-data/instance-id")
        done = app.started(*asked, MOCK_IPV6="1")
        assert done.stdout == INSTANCE_ID, done.stderr
        assert app(*ASK).stdout == INSTANCE_ID


def test_set_up_from_beside_for_an_application_without_shim_or_capability(
    docker: Docker, debug_image: str, shim_image: str, network: str, mock: str
) -> None:
    del mock  # it only has to be there
    with docker.container(debug_image, ["3600"], ["--network", network, "--entrypoint", "sleep"]) as app:
        before = docker("exec", app, "cat", "/proc/1/status").stdout.partition("CapInh")[2].partition("Seccomp")[0]
        beside = ["--network", f"container:{app}", "--cap-add", "NET_ADMIN", "--env", "MOCK_HOSTNAME=mock_metadata"]
        done = docker("run", "--rm", "--read-only", *beside, shim_image, "--init")
        assert (done.stdout, docker("exec", app, *ASK).stdout) == ("", INSTANCE_ID)
        assert before in docker("exec", app, "cat", "/proc/1/status").stdout


def test_run_again_there_is_one_rule_and_removed_there_is_none(
    docker: Docker, tools_image: str, network: str, mock: str
) -> None:
    del mock  # it only has to be there
    with application(docker, tools_image, network) as app:
        before = app("sh", "-c", RULES).stdout
        assert before.strip()
        for backend, found in (("legacy", "--comment imds-shim"), ("nft", 'comment "imds-shim"')):
            for _ in range(2):
                assert app.started(*ASK, MOCK_BACKEND=backend).stdout == INSTANCE_ID
            rules = app("sh", "-c", RULES).stdout
            assert (rules.count("imds-shim"), rules.count(found)) == (1, 1)
        assert app(SHIM, "--remove").returncode == 0
        after = app("sh", "-c", RULES).stdout
        assert after.replace("table ip imds_shim {\n}\n", "") == before
        assert app("getent", "hosts", "mock_metadata").returncode == 0


def test_the_doctor_says_what_is_missing_and_when_nothing_is(
    docker: Docker, debug_image: str, network: str, mock: str
) -> None:
    del mock  # it only has to be there
    run = ["run", "--rm", "--network", network, "--env", "MOCK_HOSTNAME=mock_metadata"]
    well = docker(*run, "--cap-add", "NET_ADMIN", debug_image, "--doctor", check=False)
    ill = docker(*run, debug_image, "--doctor", check=False)
    assert well.returncode == 0, well.stdout
    assert ill.returncode != 0
    assert "cap_add: [NET_ADMIN]" in ill.stdout
    assert "Traceback" not in well.stderr + ill.stderr
