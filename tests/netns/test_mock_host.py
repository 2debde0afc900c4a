"""`imds-mock host` on the real kernel: which packets are redirected, and that `down` restores everything.

The machine is a namespace. Its only network, if it has one, is another namespace of the lab with a "real" service at
169.254.169.254. Nothing can leave the lab.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab import Lab
from support.paths import IMDS_MOCK, ROOT
from support.shimlab import end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netlab import Namespace

README = (ROOT / "examples/host/README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [block.strip().splitlines() for block in BLOCKS]
INSTANCE_ID = "i-1234567890abcdef0"
V4, V6 = "http://169.254.169.254", "http://[fd00:ec2::254]"
STATE = [
    ["nft", "list", "ruleset"],
    *(["ip", family, *words] for family in ("-4", "-6") for words in (["rule"], ["route", "show", "table", "all"])),
    ["ip", "address"],
]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


class Machine:
    """A developer's machine."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        self.space = space
        self.environment = os.environ | {
            "PATH": f"{folder}:{IMDS_MOCK.parent}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(folder),
        }
        # The tests run as root; sudo may be missing.
        (folder / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (folder / "sudo").chmod(0o755)

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.space.run(words, check=False, env=self.environment)
        assert done.returncode == code, done
        return done

    def host(self, *words: str, code: int = 0) -> str:
        """The output of `imds-mock host WORDS...`, standard error included."""
        done = self.run("imds-mock", "host", *words, code=code)
        return done.stdout + done.stderr

    def ask(self, url: str = V4) -> str:
        done = self.space.run(["curl", "-gs", "--max-time", "30", f"{url}/latest/meta-data/instance-id"], check=False)
        return done.stdout

    def state(self) -> list[str]:
        """The network settings that a command could change, without the kernel's counters."""
        return [self.space.run(words, check=False).stdout for words in STATE]

    @contextlib.contextmanager
    def serving(self, *words: str) -> Iterator[None]:
        """Run a mock."""
        command = words or ("imds-mock", "serve", "--host", "127.0.0.1", "--host", "::1")
        mock = self.space.popen(command, env=self.environment, stderr=subprocess.PIPE)
        try:
            assert mock.stderr is not None
            assert any("control plane on" in line for line in mock.stderr)
            yield
        finally:
            mock.terminate()
            mock.communicate(timeout=60)


@pytest.fixture
def offline(lab: Lab, tmp_path: Path) -> Machine:
    """A machine without a network."""
    return Machine(lab.namespace("machine"), tmp_path)


@pytest.fixture
def real(lab: Lab, request: pytest.FixtureRequest) -> Callable[[Namespace], None]:
    """Connects a machine to a network with a metadata service, as in a cloud."""

    def connect(machine: Namespace) -> None:
        cloud = lab.namespace("cloud")
        # Automatic addresses, which appear later, would look like a setting that was left behind.
        machine.set_kernel("ipv6/conf/default/addr_gen_mode", 1)
        lab.link(machine, cloud, ["10.77.0.2/24", "fd77::2/64"], ["10.77.0.1/24", "fd77::1/64"])
        machine.ip("route", "add", "default", "via", "10.77.0.1")
        machine.ip("-6", "route", "add", "default", "via", "fd77::1")
        cloud.ip("address", "add", "169.254.169.254/32", "dev", "lo")
        cloud.ip("address", "add", "fd00:ec2::254/128", "dev", "lo", "nodad")
        for address in ("169.254.169.254", "fd00:ec2::254"):
            program = [sys.executable, str(ROOT / "tests/support/fake_imds.py"), address, "80", "real"]
            server = cloud.popen(program, stdout=subprocess.PIPE)
            request.addfinalizer(functools.partial(end, server))
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        # Only now: Python's server looks up the name of its address and would wait for a name server.
        cloud.ip("route", "add", "default", "via", "10.77.0.2")

    return connect


def test_the_commands_of_the_example(offline: Machine) -> None:
    """Without a network, and therefore without a default route."""
    before = offline.state()
    (up, serve), (curl, status), (down,), (dry_run, by_hand) = COMMANDS
    assert serve == "imds-mock serve --host 127.0.0.1"
    said = offline.run("sh", "-c", up).stdout
    assert "# start the mock with: imds-mock serve --host 127.0.0.1\n" in said
    with offline.serving(*serve.split()):
        assert offline.run("sh", "-c", curl).stdout == INSTANCE_ID
        assert "http://169.254.169.254:80 is imds-mock " in offline.run("sh", "-c", status).stdout
        offline.run("sh", "-c", down)
        assert offline.state() == before
        assert offline.ask() == ""
        commands = offline.run("sh", "-c", dry_run).stdout
        assert offline.state() == before
        assert said.startswith(commands)
        offline.run("sh", "-c", by_hand)
        assert offline.ask() == INSTANCE_ID
    assert "no answer; start the mock with: imds-mock serve --host 127.0.0.1" in offline.host("status", code=1)
    offline.host("down")
    assert offline.state() == before


def test_the_mock_sees_a_caller_on_this_machine(offline: Machine) -> None:
    offline.host("up")
    mock = offline.space.popen(
        ["imds-mock", "serve", "--host", "127.0.0.1"],
        env=offline.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert mock.stdout is not None
    assert any("control plane on" in line for line in mock.stdout)
    assert offline.ask() == INSTANCE_ID
    mock.terminate()
    assert any(
        line.startswith("127.0.0.1 ") or " 127.0.0.1 " in line for line in mock.communicate(timeout=60)[0].splitlines()
    )


def test_ipv6(offline: Machine) -> None:
    before = offline.state()
    offline.host("up", "--ipv6")
    with offline.serving():
        assert (offline.ask(V4), offline.ask(V6)) == (INSTANCE_ID, INSTANCE_ID)
        assert "http://[fd00:ec2::254]:80 is imds-mock" in offline.host("status")
    # `up` without --ipv6 removes it.
    offline.host("up")
    assert "imds_host" not in offline.space.run(["nft", "list", "tables", "ip6"]).stdout
    assert offline.space.ip("-6", "route", "show", "table", "16925") == ""
    offline.host("down")
    assert offline.state() == before


def test_up_is_idempotent_and_applies_changed_options(offline: Machine) -> None:
    before = offline.state()
    offline.host("up")
    once = offline.state()
    assert offline.host("up").startswith("# ")
    assert offline.state() == once
    offline.host("up", "--port", "8080")
    with offline.serving("imds-mock", "serve", "--host", "127.0.0.1", "--port", "8080"):
        assert offline.ask() == INSTANCE_ID
    offline.host("up", "--way", "alias")
    with offline.serving("imds-mock", "serve", "--host", "169.254.169.254", "--port", "80"):
        assert offline.ask() == INSTANCE_ID
        assert offline.host("status").startswith("# 169.254.169.254 is an address of this machine\n")
    assert "imds_host" not in offline.state()[0]
    offline.host("down")
    assert offline.host("down") == "# no redirect is installed on this machine\n"
    assert offline.state() == before


def test_a_failed_step_changes_nothing(offline: Machine) -> None:
    """The routing table contains a foreign route for the address."""
    foreign = ("169.254.169.254", "dev", "lo", "table", "16925")
    offline.space.ip("route", "add", "local", *foreign)
    before = offline.state()
    assert "File exists" in offline.host("up", code=71)
    assert offline.state() == before


def test_an_incomplete_redirect_is_completed_or_removed(offline: Machine) -> None:
    before = offline.state()
    offline.host("up")
    whole = offline.state()
    offline.space.run(["nft", "delete", "table", "ip", "imds_host"])
    assert "the redirect is incomplete" in offline.host("status", code=1)
    offline.host("up")
    assert offline.state() == whole
    offline.space.ip("rule", "del", "pref", "16925")
    offline.host("down")
    assert offline.state() == before


def test_a_real_service_is_hidden_only_with_force(offline: Machine, real: Callable[[Namespace], None]) -> None:
    real(offline.space)
    assert (offline.ask(V4), offline.ask(V6)) == ("real", "real")
    before = offline.state()
    said = offline.host("up", code=70)
    assert "the server at http://169.254.169.254:80 is not imds-mock" in said
    assert "--force installs it anyway" in said
    assert offline.state() == before
    offline.host("up", "--ipv6", "--force")
    with offline.serving():
        assert (offline.ask(V4), offline.ask(V6)) == (INSTANCE_ID, INSTANCE_ID)
        # Without the default route.
        for family in ("-4", "-6"):
            offline.space.ip(family, "route", "del", "default")
        assert (offline.ask(V4), offline.ask(V6)) == (INSTANCE_ID, INSTANCE_ID)
        offline.space.ip("route", "add", "default", "via", "10.77.0.1")
        offline.space.ip("-6", "route", "add", "default", "via", "fd77::1")
    offline.host("down")
    assert (offline.ask(V4), offline.ask(V6)) == ("real", "real")
    assert offline.state() == before


@pytest.mark.parametrize("strictness", [1, 2])
def test_reverse_path_filters_do_not_matter(
    offline: Machine, real: Callable[[Namespace], None], strictness: int
) -> None:
    for interface in ("all", "default", "lo"):
        offline.space.set_kernel(f"ipv4/conf/{interface}/rp_filter", strictness)
    real(offline.space)
    offline.host("up", "--force")
    with offline.serving():
        assert offline.ask() == INSTANCE_ID


def test_containers_and_neighbours_are_not_redirected(
    lab: Lab, offline: Machine, real: Callable[[Namespace], None]
) -> None:
    real(offline.space)
    container, neighbour = lab.namespace("container"), lab.namespace("neighbour")
    lab.link(offline.space, container, ["172.20.0.1/24"], ["172.20.0.2/24"])
    _, cable = lab.link(offline.space, neighbour, ["10.78.0.1/24"], ["10.78.0.2/24"])
    container.ip("route", "add", "default", "via", "172.20.0.1")
    neighbour.ip("route", "add", "169.254.0.0/16", "dev", cable)
    offline.space.set_kernel("ipv4/ip_forward", 1)
    others = [Machine(space, Path(offline.environment["XDG_RUNTIME_DIR"])) for space in (container, neighbour)]
    assert [other.ask() for other in others] == ["real", ""]
    offline.host("up", "--force")
    with offline.serving():
        assert offline.ask() == INSTANCE_ID
        assert [other.ask() for other in others] == ["real", ""]
    # The table in the example's README says this about `alias`.
    offline.host("up", "--way", "alias")
    with offline.serving("imds-mock", "serve", "--host", "169.254.169.254", "--port", "80"):
        assert [other.ask() for other in others] == [INSTANCE_ID, INSTANCE_ID]


def test_the_error_names_the_missing_package(offline: Machine, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    ip = offline.run("sh", "-c", "command -v ip").stdout.strip()
    (programs / "ip").symlink_to(ip)
    # The command also searches these folders.
    offline.space.run(["sh", "-c", "for each in /usr/sbin /sbin; do mount -t tmpfs none $each; done"])
    done = offline.run("env", f"PATH={programs}", str(IMDS_MOCK), "host", "up", code=69)
    assert done.stderr == "imds-mock: nft is not installed; install the package nftables or use --way alias\n"
    assert offline.run("env", f"PATH={programs}", str(IMDS_MOCK), "host", "status", code=1).stderr == ""


def test_the_endpoints_of_containers(offline: Machine) -> None:
    before = offline.state()
    said = offline.host("up", "--endpoints", "ec2,ecs,eks", "--ipv6")
    assert "169.254.170.2:80 -> 127.0.0.1:1338" in said
    assert "[fd00:ec2::23]:80 -> [::1]:1338" in said

    def curl(*words: str) -> str:
        return offline.run("curl", "-gsf", "--max-time", "30", *words).stdout

    with offline.serving():
        assert offline.ask() == INSTANCE_ID
        role = json.loads(curl("http://169.254.170.2/v2/credentials/any"))
        assert role["RoleArn"].endswith(":role/my-role")
        for address in ("169.254.170.23", "[fd00:ec2::23]"):
            shown = json.loads(curl("-H", "Authorization: any", f"http://{address}/v1/credentials"))
            assert shown["AccessKeyId"] == role["AccessKeyId"]
        assert offline.host("status").count(" is imds-mock ") == 5
        assert len(offline.host("up", "--endpoints", "ec2,ecs,eks", "--ipv6").splitlines()) == 2, "no command is run"
        offline.host("up", "--endpoints", "ecs")
        assert offline.ask() == ""
        assert json.loads(curl("http://169.254.170.2/creds"))
        assert offline.host("status").count(" is imds-mock ") == 1
    offline.host("down")
    assert offline.state() == before


def test_the_endpoints_of_containers_as_aliases(offline: Machine) -> None:
    before = offline.state()
    offline.host("up", "--way", "alias", "--endpoints", "ecs,eks")
    assert "the redirect is incomplete" not in offline.host("status", code=1)
    offline.host("down")
    assert offline.state() == before
