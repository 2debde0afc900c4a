"""Containers that use `link_local_ips` on real links: the kernel's neighbour table links them to their names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from netlab import Lab
from support.bridge import Bridge
from support.paths import IMDS_MOCK, ROOT
from support.shimlab import end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from netlab import Namespace

IMDS = "169.254.169.254"
NOTICE = "spot/instance-action"
# Responds as Docker's embedded DNS server, at its address.
NAME_SERVER = """
import json, sys, threading
from support.name_server import ScriptedNameServer
with ScriptedNameServer(json.loads(sys.argv[1]), "127.0.0.11", 53):
    print("ready", flush=True)
    sys.stdin.read()
"""
# A mock that waits longer for names and for the kernel than containers should wait in practice, for a busy machine.
# The defaults are in tests/unit/test_mock_callers_timeouts.py.
PATIENT_MOCK = """
import sys
from imds_mock.callers import identification, reachability, registry, targets
identification._NAMES_SECONDS = registry._REFRESH_TIMEOUT_SECONDS = targets._TIMEOUT_SECONDS = 60.0
reachability._PAUSES_SECONDS = (*reachability._PAUSES_SECONDS, *[0.1] * 5)
from imds_mock.cli import main
sys.exit(main())
"""


@dataclass
class Machine:
    """A container: its namespace, its name, its link-local address."""

    space: Namespace
    name: str
    link_local: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a path below meta-data."""
        url = f"http://{IMDS}/latest/meta-data/{path}"
        printed = self.space.run(["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}", url]).stdout
        body, _, status = printed.rpartition("\n")
        return int(status), body


class Project:
    """A compose project: a mock, and containers with ordinary and link-local addresses on its link."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._link = Bridge(lab)
        self._folder = folder
        self._running: list[subprocess.Popen[str]] = []
        self.mock = self._link.plug("mock", "10.77.0.2/16", f"{IMDS}/16")
        self.records: dict[str, dict[str, list[str]]] = {}
        self._name("proj-mock-1", "mock", "10.77.0.2")

    def container(self, service: str, ordinary: str, link_local: str) -> Machine:
        """Add a container."""
        name = f"proj-{service}-1"
        self._name(name, service, ordinary)
        return Machine(self._link.plug(service, f"{ordinary}/16", f"{link_local}/16"), name, link_local)

    def up(self, *options: str, host: str = "0.0.0.0") -> None:  # noqa: S104 - in its own namespace
        """Start the name server and the mock."""
        resolver = self._folder / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.11\noptions timeout:1 attempts:1\n")
        self.mock.bind(resolver, "/etc/resolv.conf")
        words = [sys.executable, "-c", NAME_SERVER, json.dumps(self.records)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        server = self.mock.popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._running.append(server)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        serving = self.mock.popen(
            [
                *(sys.executable, "-c", PATIENT_MOCK, "serve", "--host", host, "--port", "80"),
                *("--set", "callers.look_up_seconds=60", *options),
            ],
            stderr=subprocess.PIPE,
            env=self._environment,
        )
        self._running.append(serving)
        assert serving.stderr is not None
        while "control plane" not in (line := serving.stderr.readline()):
            assert line, "the mock has ended"

    def ctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `imds-mock ctl` in the mock's container."""
        return self.mock.run([IMDS_MOCK, "ctl", *words], check=check, env=self._environment)

    def json(self, *words: str) -> Any:
        """The output of `imds-mock ctl --json`."""
        return json.loads(self.ctl(*words, "--json").stdout)

    def down(self) -> None:
        """Stop the mock and the name server."""
        for process in reversed(self._running):
            end(process)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_RUNTIME_DIR": str(self._folder)}

    def _name(self, container: str, service: str, address: str) -> None:
        self.records[f"{ip_address(address).reverse_pointer}."] = {"PTR": [f"{container}.proj_default."]}
        self.records[f"{service}."] = {"A": [address]}
        self.records[f"{container}.proj_default."] = {"A": [address]}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Lab() as lab:
        project = Project(lab, tmp_path)
        try:
            yield project
        finally:
            project.down()


def test_an_event_for_a_service_reaches_it_at_its_link_local_address(project: Project) -> None:
    web = project.container("web", "10.77.0.3", "169.254.100.1")
    # Its address is outside the range that is scanned.
    worker = project.container("worker", "10.77.200.4", "169.254.100.2")
    project.up()
    armed = project.ctl("spot", "interrupt", "--target", "web")
    assert (armed.stderr, "1 caller now" in armed.stdout) == ("", True)
    assert (web.get(NOTICE)[0], worker.get(NOTICE)[0]) == (200, 404)
    project.ctl("fault", "add", "status", "503", "--target", "worker")
    assert (web.get("ami-id")[0], worker.get("ami-id")[0]) == (200, 503)
    assert project.ctl("assert", "--asked", "*/spot/*", "--by", "web", "--at-least", "1", "--at-most", "1").stdout
    assert {each["caller"] for each in project.json("requests", "--caller", "worker")} == {"169.254.100.2"}
    assert [each["names"] for each in project.json("notices")] == [["proj-web-1", "web"]]
    seen = project.json("whoami", "--caller", "web")
    assert (seen["container"], seen["addresses"]) == ("proj-web-1", ["10.77.0.3", "169.254.100.1"])
    (event,) = project.json("events", "list")
    assert (event["callers"], event["addresses"]) == (1, ["10.77.0.3", "169.254.100.1"])


def test_each_container_is_its_own_instance_at_its_link_local_address(project: Project) -> None:
    web = project.container("web", "10.77.0.3", "169.254.100.1")
    # Its address is outside the range that is scanned, but a variant names its service.
    worker = project.container("worker", "10.77.200.4", "169.254.100.2")
    variants = '[{"match": {"service": "worker"}, "instance": {"role": "worker-role"}}]'
    project.up("--set", "identity=per-container", "--set", f"variants={variants}")
    mac = json.loads(web.space.ip("-json", "link", "show", "type", "veth"))[0]["address"]
    assert web.get("local-ipv4") == (200, "10.77.0.3")
    assert web.get("mac") == (200, mac)
    assert worker.get("iam/security-credentials/") == (200, "worker-role")
    seen = {name: project.json("whoami", "--caller", name) for name in ("web", "worker", "169.254.100.1", "10.77.0.3")}
    ids = {name: each["instance_id"] for name, each in seen.items()}
    assert ids["web"] == ids["169.254.100.1"] == ids["10.77.0.3"] == web.get("instance-id")[1]
    assert ids["worker"] == worker.get("instance-id")[1] != ids["web"]


def test_a_stale_neighbour_entry_does_not_give_a_container_the_name_of_another(project: Project) -> None:
    web = project.container("web", "10.77.0.3", "169.254.100.1")
    mac = json.loads(web.space.ip("-json", "link", "show", "type", "veth"))[0]["address"]
    project.records[f"{ip_address('10.77.0.9').reverse_pointer}."] = {"PTR": ["proj-other-1.proj_default."]}
    project.mock.ip("neighbour", "replace", "10.77.0.9", "lladdr", mac, "dev", "eth0b", "nud", "stale")
    project.up("--set", "identity=per-container")
    assert web.get("local-ipv4") == (200, "10.77.0.3")
    assert project.json("whoami", "--caller", "169.254.100.1")["container"] == "proj-web-1"


def test_a_warning_names_the_address_to_use_if_a_caller_is_not_linked(project: Project) -> None:
    web = project.container("web", "10.77.200.3", "169.254.100.1")
    # The name resolves to an address that no neighbour has, like that of a container behind a router.
    project.records["web."] = {"A": ["10.77.200.30"]}
    del project.records["3.200.77.10.in-addr.arpa."]
    project.up()
    assert web.get("instance-id")[0] == 200
    armed = project.ctl("spot", "interrupt", "--target", "web")
    assert "169.254.100.1" in armed.stderr
    assert "link_local_ips" in armed.stderr
    assert web.get(NOTICE)[0] == 404
    assert project.ctl("spot", "interrupt", "--target", "169.254.100.1").stderr == ""
    assert web.get(NOTICE)[0] == 200


def test_a_name_that_matches_no_caller_has_a_warning(project: Project) -> None:
    web = project.container("web", "10.77.0.3", "169.254.100.1")
    project.up()
    assert web.get("instance-id")[0] == 200
    armed = project.ctl("spot", "interrupt", "--target", "wbe")
    assert "'wbe' matches no caller" in armed.stderr
    failed = project.ctl("assert", "--no-imdsv1", "--by", "wbe", check=False)
    assert (failed.returncode, "'wbe' matches no caller" in failed.stderr) == (1, True)


def test_a_caller_with_an_ipv6_link_local_address_is_linked(project: Project) -> None:
    web = project.container("web", "10.77.0.3", "169.254.100.1")
    for space, address in ((project.mock, "fe80::2/64"), (web.space, "fe80::3/64")):
        (link,) = json.loads(space.ip("-json", "link", "show", "type", "veth"))
        space.ip("address", "add", address, "dev", link["ifname"], "nodad")
    project.up("--set", "identity=per-container", host="::")
    url = f"http://[fe80::2%{link['ifname']}]/latest/meta-data/local-ipv4"
    assert web.space.run(["curl", "-gsSf", "--max-time", "60", url]).stdout == "10.77.0.3"
    (caller,) = project.json("callers")
    assert (caller["address"].startswith("fe80::"), caller["names"]) == (True, ["proj-web-1", "web"])
