"""MOCK_INSTANCE on the real kernel: the shim announces to the mock without a name server, as in a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from netlab import Lab
from support import curl
from support.announcing import announcement
from support.bridge import Bridge
from support.paths import IMDS_MOCK
from support.shimlab import SHIM, end, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from netlab import Namespace

IMDS, IMDS_V6 = "169.254.169.254", "[fd00:ec2::254]"
MOCK, MOCK_V6 = "10.77.0.2", "fd77::2"
SHARED_ID = "i-1234567890abcdef0"
FACTS = "role=worker-role,instance_life_cycle=spot,tags.Name=worker"


@dataclass
class Container:
    """An application's container."""

    space: Namespace

    def shim(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the shim to its end."""
        return self.space.run([SHIM, *command], env=environment(MOCK_HOSTNAME=MOCK, **settings), check=False)

    def init(self, **settings: str) -> None:
        """Set the rule as an init container does."""
        done = self.shim("--init", **settings)
        assert done.returncode == 0, done.stderr

    def get(self, path: str, host: str = IMDS) -> str:
        """Read a leaf below meta-data."""
        words = ["curl", "-fsS", "-g", "--max-time", "60", f"http://{host}/latest/meta-data/{path}"]
        return self.space.run(words).stdout

    def forge(self, instance: str, key: str) -> str:
        """Send an announcement as an application could; the status."""
        headers = ["-H", "X-Imds-Mock-Probe: a", "-H", f"X-Imds-Mock-Announcement: {announcement(instance, None, key)}"]
        return curl.status(self.space, f"http://{MOCK}/", *headers)


class Cluster:
    """A mock and containers on one link, with IPv4 and IPv6, and no name server."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._link = Bridge(lab)
        self._folder = folder
        self._running: list[subprocess.Popen[str]] = []
        self._mock = self._link.plug("mock", f"{MOCK}/16", f"{MOCK_V6}/64", f"{IMDS}/16")
        self._serving: subprocess.Popen[str] | None = None

    def container(self, name: str, *addresses: str) -> Container:
        """Add a container."""
        space = self._link.plug(name, *addresses)
        space.ip("route", "add", "default", "via", MOCK if any("." in each for each in addresses) else MOCK_V6)
        return Container(space)

    def up(self, *options: str) -> None:
        """Start the mock."""
        words: list[str | Path] = [IMDS_MOCK, "serve", "--port", "80", "--set", "callers.name_server=", *options]
        serving = self._mock.popen(words, stderr=subprocess.PIPE, env=self._environment)
        self._serving = serving
        self._running.append(serving)
        self.log("control plane")

    def log(self, words: str) -> str:
        """The next line of the mock's log that has some words."""
        assert self._serving is not None
        assert self._serving.stderr is not None
        while words not in (line := self._serving.stderr.readline()):
            assert line, "the mock has ended"
        return line

    def down(self) -> None:
        """Stop the mock."""
        for process in self._running:
            end(process)
        self._running.clear()

    def kill(self) -> None:
        """End the mock as the engine does if it takes too much memory."""
        assert self._serving is not None
        self._serving.kill()
        self.down()

    def whoami(self, caller: str) -> Any:
        """How the mock sees a caller."""
        words: list[str | Path] = [IMDS_MOCK, "ctl", "whoami", "--caller", caller, "--json"]
        return json.loads(self._mock.run(words, env=self._environment).stdout)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_RUNTIME_DIR": str(self._folder)}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Lab() as lab:
        made = Cluster(lab, tmp_path)
        try:
            yield made
        finally:
            made.down()


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_two_containers_are_who_they_announce_and_a_third_shares_the_instance(cluster: Cluster, backend: str) -> None:
    worker = cluster.container("worker", "10.77.0.3/16")
    web = cluster.container("web", "10.77.0.4/16")
    other = cluster.container("other", "10.77.0.5/16")
    cluster.up()
    worker.init(MOCK_BACKEND=backend, MOCK_INSTANCE=FACTS, MOCK_INSTANCE_NAME="worker-0")
    web.init(MOCK_BACKEND=backend, MOCK_INSTANCE='{"role": "web-role"}')
    other.init(MOCK_BACKEND=backend)
    roles = [each.get("iam/security-credentials/") for each in (worker, web, other)]
    assert roles == ["worker-role", "web-role", "my-role"]
    assert worker.get("instance-life-cycle") == "spot"
    ids = [each.get("instance-id") for each in (worker, web, other)]
    assert (len(set(ids)), ids[2]) == (3, SHARED_ID)
    assert [each.get("local-ipv4") for each in (worker, web)] == ["10.77.0.3", "10.77.0.4"]
    seen = cluster.whoami("worker-0")
    assert (seen["addresses"], seen["instance_id"]) == (["10.77.0.3"], ids[0])
    assert seen["announced"] == {
        "name": "worker-0",
        "instance": {"role": "worker-role", "instance_life_cycle": "spot", "tags": {"Name": "worker"}},
    }


def test_the_identity_is_the_same_over_ipv6_and_ipv4(cluster: Cluster) -> None:
    worker = cluster.container("worker", "10.77.0.3/16", "fd77::3/64")
    cluster.up()
    hosts = cluster._folder / "hosts"
    hosts.write_text(f"{MOCK} mock\n{MOCK_V6} mock\n", encoding="ascii")
    worker.space.bind(hosts, "/etc/hosts")
    done = worker.space.run([SHIM, "--init"], env=environment(MOCK_IPV6="1", MOCK_INSTANCE=FACTS), check=False)
    assert done.returncode == 0, done.stderr
    assert worker.get("iam/security-credentials/", IMDS_V6) == worker.get("iam/security-credentials/") == "worker-role"
    assert worker.get("local-ipv4", IMDS_V6) == "10.77.0.3"
    assert worker.get("ipv6") == "fd77::3"
    assert worker.get("instance-id", f"[{MOCK_V6}]") == worker.get("instance-id")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"MOCK_INSTANCE": "rol=x"}, "MOCK_INSTANCE: rol: unknown key; did you mean role?"),
        ({"MOCK_INSTANCE": "xyzzy=x"}, "MOCK_INSTANCE: xyzzy: unknown key; the known ones are instance_id, "),
        ({"MOCK_INSTANCE_NAME": "10.0.0.1"}, "MOCK_INSTANCE_NAME: expected letters, digits, "),
        ({"MOCK_INSTANCE": "x" * 9000}, "MOCK_INSTANCE must have at most 8192 bytes"),
    ],
)
def test_a_wrong_word_ends_the_start_with_78_and_leaves_nothing(
    cluster: Cluster, settings: dict[str, str], sentence: str
) -> None:
    worker = cluster.container("worker", "10.77.0.3/16")
    cluster.up()
    done = worker.shim("true", **settings)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"imds-shim: {sentence}")
    assert len(done.stderr.splitlines()) == 1
    assert "dnat" not in worker.space.run(["nft", "list", "ruleset"]).stdout.lower()


def test_the_doctor_says_what_is_wrong_and_announces_nothing(cluster: Cluster) -> None:
    worker = cluster.container("worker", "10.77.0.3/16")
    cluster.up()
    assert "did you mean role?" in (wrong := worker.shim("--doctor", MOCK_INSTANCE="rol=x")).stdout
    assert wrong.returncode == 78
    assert worker.shim("--doctor", MOCK_INSTANCE="role=a").returncode == 0
    worker.init()
    assert worker.get("instance-id") == SHARED_ID


def test_an_application_can_neither_change_nor_make_an_announcement(cluster: Cluster) -> None:
    worker = cluster.container("worker", "10.77.0.3/16")
    web = cluster.container("web", "10.77.0.4/16")
    cluster.up()
    worker.init(MOCK_INSTANCE=FACTS)
    web.init()
    assert [each.forge("role=admin", "f" * 32) for each in (worker, web)] == ["400", "400"]
    assert "has announced something else before" in cluster.log("refused")
    assert [each.get("iam/security-credentials/") for each in (worker, web)] == ["worker-role", "my-role"]
    # A start of the same container announces the same again, and a start without announcement changes nothing.
    worker.init(MOCK_INSTANCE=FACTS)
    worker.init()
    assert worker.get("iam/security-credentials/") == "worker-role"


def test_a_new_container_at_the_same_address_announces_anew(cluster: Cluster) -> None:
    old = cluster.container("old", "10.77.0.3/16")
    cluster.up()
    old.init(MOCK_INSTANCE=FACTS)
    assert old.get("iam/security-credentials/") == "worker-role"
    old.space.ip("address", "flush", "dev", _link_of(old))
    new = cluster.container("new", "10.77.0.3/16")
    new.init()
    # A container that started within 0.25 s would be told from the old one after 5 s.
    _until(lambda: new.get("instance-id") == SHARED_ID)
    newer = cluster.container("newer", "10.77.0.3/16")
    new.space.ip("address", "flush", "dev", _link_of(new))
    newer.init(MOCK_INSTANCE="role=other")
    assert newer.get("iam/security-credentials/") == "other"


def test_a_container_without_the_shim_does_not_inherit_the_identity(cluster: Cluster) -> None:
    old = cluster.container("old", "10.77.0.3/16")
    cluster.up()
    old.init(MOCK_INSTANCE=FACTS)
    assert old.get("iam/security-credentials/") == "worker-role"
    old.space.ip("address", "flush", "dev", _link_of(old))
    new = cluster.container("new", "10.77.0.3/16")
    # A container that started within 0.25 s would be told from the old one after 5 s.
    _until(lambda: new.get("iam/security-credentials/", MOCK) == "my-role")


def test_a_restarted_mock_knows_the_containers_that_announced_with_init(cluster: Cluster) -> None:
    """The init containers have ended, so only the mock's file knows what they announced."""
    worker = cluster.container("worker", "10.77.0.3/16")
    other = cluster.container("other", "10.77.0.4/16")
    gone = cluster.container("gone", "10.77.0.5/16")
    file = cluster._folder / "announced.json"
    options = ("--set", f"callers.announced_file={file}")
    cluster.up(*options)
    worker.init(MOCK_INSTANCE=FACTS, MOCK_INSTANCE_NAME="worker-0")
    other.init()
    gone.init(MOCK_INSTANCE="role=gone-role")
    before = worker.get("instance-id")
    _until(lambda: "gone-role" in file.read_text())
    cluster.kill()
    # While the mock is down, another container gets an address.
    gone.space.ip("address", "flush", "dev", _link_of(gone))
    new = cluster.container("new", "10.77.0.5/16")
    cluster.up(*options)
    assert cluster.whoami("worker-0")["instance_id"] == before
    assert [each.forge("role=admin", "f" * 32) for each in (worker, other)] == ["400", "400"]
    roles = [each.get("iam/security-credentials/", MOCK) for each in (worker, other, new)]
    assert roles == ["worker-role", "my-role", "my-role"]
    assert worker.get("instance-id") == before
    # A restart of the container announces the same again.
    worker.init(MOCK_INSTANCE=FACTS, MOCK_INSTANCE_NAME="worker-0")
    assert worker.get("instance-id") == before


def test_the_follower_announces_again_after_a_restart_of_the_mock(cluster: Cluster) -> None:
    worker = cluster.container("worker", "10.77.0.3/16")
    cluster.up()
    settings = environment(MOCK_HOSTNAME=MOCK, MOCK_FOLLOW="1", MOCK_INSTANCE=FACTS, MOCK_INSTANCE_NAME="w")
    app = worker.space.popen(
        [SHIM, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=settings
    )
    try:
        assert app.stderr is not None
        assert f"-> {MOCK}:80" in app.stderr.readline()
        before = worker.get("instance-id")
        cluster.down()
        cluster.up()
        _until(lambda: worker.get("iam/security-credentials/") == "worker-role")
        assert worker.get("instance-id") == before
        assert worker.forge("role=admin", "f" * 32) == "400"
    finally:
        end(app)


def test_the_follower_announces_again_without_a_rule(cluster: Cluster) -> None:
    worker = cluster.container("worker", "10.77.0.3/16", "169.254.100.1/16")
    cluster.up()
    settings = environment(MOCK_HOSTNAME=MOCK, MOCK_FOLLOW="1", MOCK_INSTANCE=FACTS)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    app = worker.space.popen([SHIM, "cat"], env=settings, **pipes)
    try:
        assert app.stderr is not None
        assert f"{IMDS}:80 -> {MOCK}:80" in app.stderr.readline()
        before = worker.get("instance-id")
        cluster.down()
        cluster.up()
        _until(lambda: worker.get("iam/security-credentials/") == "worker-role")
        assert worker.get("instance-id") == before
        app.kill()
        assert app.stderr.read() == ""
    finally:
        end(app)


def test_without_a_rule_the_link_local_address_is_announced(cluster: Cluster) -> None:
    """The mock has 169.254.169.254 on the link, and the application sends from its link-local address."""
    worker = cluster.container("worker", "10.77.0.3/16", "169.254.100.1/16")
    cluster.up()
    worker.init(MOCK_INSTANCE=FACTS)
    assert worker.space.run(["nft", "list", "ruleset"]).stdout.count("dnat") == 0
    assert worker.get("iam/security-credentials/") == "worker-role"
    assert "169.254.100.1" in cluster.whoami("169.254.100.1")["addresses"]


def test_pods_behind_one_translated_address_are_told_that_they_are_one_instance(cluster: Cluster) -> None:
    """What kube-proxy does with masqueradeAll: the mock sees the node's address."""
    worker = cluster.container("worker", "10.77.0.3/16", "10.77.9.9/16")
    cluster.up()
    rules = (
        "add table ip kube\n"
        "add chain ip kube post { type nat hook postrouting priority srcnat; }\n"
        f"add rule ip kube post ip daddr {MOCK} snat to 10.77.9.9\n"
    )
    worker.space.run(["nft", "-f", "-"], input=rules)
    done = worker.shim("--init", MOCK_INSTANCE=FACTS, KUBERNETES_SERVICE_HOST="10.96.0.1")
    assert done.returncode == 0, done.stderr
    warning, _rule = done.stderr.splitlines()
    assert warning.startswith(
        "imds-shim: warning: the mock sees this container as 10.77.9.9, which is not its own address, because "
        "kube-proxy's masquerading or a proxy is in between; "
    )
    assert worker.get("iam/security-credentials/") == "worker-role"


def test_a_container_with_ipv6_alone(cluster: Cluster) -> None:
    worker = cluster.container("worker", "fd77::3/64")
    cluster.up()
    settings = {"MOCK_HOSTNAME": MOCK_V6, "MOCK_IPV6": "1", "MOCK_INSTANCE": FACTS, "MOCK_INSTANCE_NAME": "six"}
    done = worker.space.run([SHIM, "--init"], env=environment(**settings), check=False)
    assert done.returncode == 0, done.stderr
    assert worker.get("iam/security-credentials/", IMDS_V6) == "worker-role"
    assert worker.get("ipv6", IMDS_V6) == "fd77::3"
    assert cluster.whoami("six")["addresses"] == ["fd77::3"]


def test_with_credentials_that_work_only_named_roles_are_given(cluster: Cluster) -> None:
    worker = cluster.container("worker", "10.77.0.3/16")
    keys = [f"credentials.{key}=x" for key in ("access_key_id", "secret_access_key", "session_token")]
    cluster.up(*(word for each in ("credentials.source=static", *keys) for word in ("--set", each)))
    refused = worker.shim("true", MOCK_INSTANCE="role=admin")
    assert refused.returncode == 78
    assert "expected a value from the mock's configuration (my-role)" in refused.stderr
    worker.init(MOCK_INSTANCE="role=my-role,tags.Name=a")


def _link_of(container: Container) -> str:
    return str(json.loads(container.space.ip("-json", "link", "show", "type", "veth"))[0]["ifname"])


def _until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < limit, "it does not happen"
