"""What `kubectl kustomize` and Helm make of `deploy`, run by `podman kube play`.

Podman has no Services: the mock's Pod is found by the name of its Deployment with `-pod`, at its own port.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.aemm import DOCUMENT, LEAVES
from support.containers import IMDS
from support.engines import until
from support.kubernetes.overlays import INJECTED, overlay
from support.kubernetes.tools import template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.engines import Engine

MOCK = "imds-mock-pod"
SETTINGS = {"MOCK_HOSTNAME": MOCK, "MOCK_PORT": "1338", "MOCK_TIMEOUT_SECONDS": "20"}
# Podman removes an init container that has ended, with its log, unless its policy is to run always.
KEPT = {"io.podman.annotations.init.container.type": "always"}
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
APPLICATION = {
    "name": "application",
    "image": "imds-application",
    "imagePullPolicy": "Never",
    "securityContext": RESTRICTED,
}
TOKEN = "a-token-of-20-letters"  # noqa: S105 - planted


def pod(name: str, instance: str = "", **more: Any) -> dict[str, Any]:
    """A Pod of an application that asks for the init container."""
    annotations = KEPT | ({"imds-sidecar/instance": instance} if instance else {})
    metadata = {"name": name, "labels": INJECTED, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [APPLICATION], **more}}


def playable(node: Any) -> Any:
    """The objects without what Podman cannot do here.

    In a cgroup without controllers it refuses limits. It runs a liveness probe with curl in the container, which the
    mock's image does not have, and then restarts the mock.
    """
    if isinstance(node, dict):
        return {key: playable(value) for key, value in node.items() if key not in ("resources", "livenessProbe")}
    return [playable(each) for each in node] if isinstance(node, list) else node


class Podman:
    """Podman, and what `kube play` has started on it.

    Args:
        engine: Podman.
        folder: A folder for overlays.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self._folder = folder
        self._files: list[Path] = []

    def built(
        self, *objects: dict[str, Any], components: tuple[str, ...] = (), **settings: str
    ) -> list[dict[str, Any]]:
        """The base with some workloads, the component `inject` and others, as kubectl builds it."""
        folder = self._folder / str(len(self._files))
        folder.mkdir()
        literals = [f"{name}={value}" for name, value in (SETTINGS | settings).items()]
        generator = {"name": "imds-sidecar", "behavior": "merge", "literals": literals}
        return overlay(folder, *objects, components=("inject", *components), configMapGenerator=[generator])

    def workloads(self, *objects: dict[str, Any], **settings: str) -> list[dict[str, Any]]:
        """The same without the mock."""
        return [
            each for each in self.built(*objects, components=(), **settings) if each["metadata"]["name"] != "imds-mock"
        ]

    def play(self, objects: list[dict[str, Any]], *, check: bool = True) -> str:
        """Start the Pods of these objects; returns what Podman prints."""
        file = self.engine.folder / f"{self._folder.name}-{len(self._files)}.yaml"
        file.write_text(yaml.safe_dump_all(playable(objects)))
        self._files.append(file)
        done = self.engine("kube", "play", file, check=False)
        if check and done.returncode != 0:
            names = self.engine("ps", "--all", "--filter", "status=exited", "--format", "{{.Names}}").stdout.split()
            raise AssertionError("\n".join([done.stderr, *(f"{name}: {self.logs(name)}" for name in names)]))
        return done.stdout + done.stderr

    def remove(self) -> None:
        """Remove everything that was started."""
        for file in self._files:
            self.engine("kube", "down", "--force", file, check=False)

    def logs(self, container: str) -> str:
        """What `kubectl logs -c` shows."""
        done = self.engine("logs", container, check=False)
        return done.stdout + done.stderr

    def exit_code(self, container: str) -> int:
        return int(self.engine("inspect", container, "--format", "{{.State.ExitCode}}").stdout)

    def asked(self, name: str, path: str, url: str = IMDS) -> str:
        """What a Pod's application reads; empty if it gets no answer of 2xx."""
        words = ("curl", "-sf", "--max-time", "30", f"{url}{path}")
        return self.engine("exec", f"{name}-application", *words, check=False).stdout

    def leaf(self, name: str, path: str) -> str:
        return self.asked(name, f"/latest/meta-data/{path}")

    def ctl(self, *words: str, mock: str = f"{MOCK}-imds-mock") -> str:
        return self.engine("exec", mock, "imds-mock", "ctl", *words).stdout


@pytest.fixture(scope="module", params=["podman-root-docker-compose", "podman-rootless-docker-compose"])
def engine(request: pytest.FixtureRequest, start: Callable[[str], Engine]) -> Engine:
    return start(request.param)


@pytest.fixture
def podman(engine: Engine, tmp_path: Path) -> Iterator[Podman]:
    found = Podman(engine, tmp_path)
    yield found
    found.remove()


@pytest.fixture(scope="module")
def cluster(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """The mock, and two Pods that want to be different instances."""
    found = Podman(engine, tmp_path_factory.mktemp("overlays"))
    found.play(
        found.built(
            pod("worker", "role=worker-role,instance_life_cycle=spot,instance_type=c7g.large"),
            pod("web", "role=web-role"),
        )
    )
    yield found
    found.remove()


def test_each_pod_reads_its_own_identity(cluster: Podman) -> None:
    read = {
        name: [
            cluster.leaf(name, path) for path in ("iam/security-credentials/", "instance-life-cycle", "instance-type")
        ]
        for name in ("worker", "web")
    }
    assert read == {"worker": ["worker-role", "spot", "c7g.large"], "web": ["web-role", "on-demand", "m5.large"]}
    ids = {name: cluster.leaf(name, "instance-id") for name in ("worker", "web")}
    assert all(re.fullmatch("i-[0-9a-f]{17}", each) for each in ids.values())
    assert ids["worker"] != ids["web"]


def test_the_init_container_says_where_the_rule_leads(cluster: Podman) -> None:
    said = cluster.logs("worker-imds")
    assert re.search(rf"^imds-shim: 169\.254\.169\.254:80 -> [0-9.]+:1338 \({MOCK}\)$", said, re.MULTILINE)
    assert cluster.exit_code("worker-imds") == 0


@pytest.mark.parametrize("container", ["worker-application", f"{MOCK}-imds-mock"])
def test_application_and_mock_have_no_capability(cluster: Podman, container: str) -> None:
    pid = cluster.engine("inspect", container, "--format", "{{.State.Pid}}").stdout.strip()
    status = cluster.engine.command("cat", f"/proc/{pid}/status").stdout
    sets = dict(re.findall(r"^(Cap\w+|NoNewPrivs):\t(\S+)", status, re.MULTILINE))
    assert {sets.pop(f"Cap{name}") for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert sets == {"NoNewPrivs": "1"}


def test_a_spot_notice_for_one_pod(cluster: Podman) -> None:
    cluster.ctl("spot", "interrupt", "--target", "worker")
    notice = json.loads(cluster.leaf("worker", "spot/instance-action"))
    assert notice["action"] == "terminate"
    assert cluster.leaf("web", "spot/instance-action") == ""
    cluster.ctl("reset")


def test_the_agent_of_eks(cluster: Podman, podman: Podman) -> None:
    assert cluster.leaf("web", "iam/security-credentials/") == "web-role"
    podman.play(podman.workloads(pod("eks"), MOCK_ENDPOINTS="ec2,eks"))
    url, header = "http://169.254.170.23/v1/credentials", "Authorization: any-token"
    words = ("curl", "-sf", "--max-time", "30", "--header", header, url)
    credentials = json.loads(podman.engine("exec", "eks-application", *words).stdout)
    assert credentials["AccountId"] == "123456789012"
    assert podman.leaf("eks", "instance-id").startswith("i-")


def test_a_job(cluster: Podman, podman: Podman) -> None:
    assert cluster.leaf("web", "iam/security-credentials/") == "web-role"
    wanted = {"imds-sidecar/instance": "role=nightly-role"}
    reads = APPLICATION | {"command": ["curl", "-sf", f"{IMDS}/latest/meta-data/iam/security-credentials/"]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        # Podman reads the annotations of the Job, Kubernetes those of its template.
        "metadata": {"name": "nightly", "labels": INJECTED, "annotations": wanted},
        "spec": {
            "template": {
                "metadata": {"annotations": wanted},
                "spec": {"restartPolicy": "Never", "containers": [reads]},
            }
        },
    }
    podman.play(podman.workloads(job))
    until(lambda: podman.logs("nightly-pod-application") == "nightly-role", 60, "the job reads its role")


def test_a_wrong_word_in_the_annotation_ends_the_start(cluster: Podman, podman: Podman) -> None:
    assert cluster.leaf("web", "iam/security-credentials/") == "web-role"
    podman.play(podman.workloads(pod("wrong", "rol=worker-role")), check=False)
    assert podman.exit_code("wrong-imds") == 78
    assert "imds-shim: MOCK_INSTANCE: rol: unknown key; did you mean role?" in podman.logs("wrong-imds")


def test_a_mock_without_its_config_map_says_which_file_is_missing(podman: Podman) -> None:
    (deployment,) = [each for each in podman.built() if each["kind"] == "Deployment"]
    deployment["metadata"]["name"] = "incomplete"
    podman.play([deployment])
    expected = "imds-mock: /etc/imds-mock/mock.yaml: cannot be read: No such file or directory"
    until(lambda: expected in podman.logs("incomplete-pod-imds-mock").splitlines(), 60, expected)


def test_a_new_pod_of_the_mock_knows_the_pods_that_announced_to_the_old_one(podman: Podman) -> None:
    """With the component `persistence`: the init container has ended, and only the volume has what it announced."""
    name, mock = "remembering", "remembering-pod"
    worker = pod("remembered", "role=remembered-role")
    objects = podman.built(worker, components=("persistence",), MOCK_HOSTNAME=mock)
    for each in objects:
        if each["kind"] == "Deployment":
            each["metadata"]["name"] = name
    podman.play(objects)
    paths = ("iam/security-credentials/", "instance-id")
    before = [podman.leaf("remembered", path) for path in paths]
    assert before[0] == "remembered-role"
    podman.engine("pod", "rm", "--force", mock)
    podman.play([each for each in objects if each["kind"] != "Pod"])
    # Podman has no Service, so the rule leads to the old Pod's address.
    url = f"http://{mock}:1338"
    until(lambda: podman.asked("remembered", "/latest/meta-data/mac", url), 60, "the new Pod answers")
    assert [podman.asked("remembered", f"/latest/meta-data/{path}", url) for path in paths] == before
    until(lambda: podman.ctl("whoami", "--caller", "remembered", mock=f"{mock}-imds-mock"), 60, "the name is known")


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (None, 78, "imds-shim: MOCK_HOSTNAME is required"),
        ({"MOCK_HOSTNAME": "no-mock"}, 68, "imds-shim: no-mock had no usable address within 2 s"),
        ({"MOCK_HOSTNAME": "127.0.0.1", "MOCK_PORT": "9"}, 69, "imds-shim: no IMDS answered at 127.0.0.1:9 within 2 s"),
    ],
    ids=["no ConfigMap", "no name", "no mock"],
)
def test_without_the_mock_the_application_does_not_start(
    podman: Podman, settings: dict[str, str] | None, code: int, said: str
) -> None:
    objects = podman.workloads(pod("alone"), **(settings or {}), MOCK_TIMEOUT_SECONDS="2")
    podman.play([each for each in objects if each["kind"] == "Pod" or settings is not None], check=False)
    assert podman.exit_code("alone-imds") == code
    assert said in podman.logs("alone-imds")
    assert podman.engine("inspect", "alone-application", "--format", "{{.State.Running}}").stdout == "false\n"


def test_the_chart_with_the_token_of_a_secret(podman: Podman) -> None:
    """A neighbour drives the mock with the token, and gets 403 without it."""
    values = {
        "fullnameOverride": "chart",
        "serviceName": "chart-pod",
        "control": {"token": TOKEN},
        "image": {"tag": "latest"},
    }
    neighbour = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "neighbour"},
        "spec": {"containers": [APPLICATION]},
    }
    podman.play([*template(values, "--skip-tests"), neighbour])
    until(lambda: podman.asked("neighbour", "/latest/meta-data/mac", "http://chart-pod:1338"), 60, "the mock answers")
    status = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://chart-pod:1339/v1/status")
    codes = [
        podman.engine("exec", "neighbour-application", *status, *header).stdout
        for header in ((), ("--header", f"Authorization: Bearer {TOKEN}"))
    ]
    assert codes == ["403", "200"]


def test_the_chart_with_values_of_amazon_ec2_metadata_mock(podman: Podman) -> None:
    values = {
        "fullnameOverride": "aemm",
        "image": {"tag": "latest"},
        "aemm": {"spot": {"action": "stop"}, "mockIPCount": 9},
    }
    podman.play(template(values, "--skip-tests"))
    podman.play(podman.workloads(pod("dropped-in"), MOCK_HOSTNAME="aemm-pod"))
    assert json.loads(podman.leaf("dropped-in", "spot/instance-action"))["action"] == "stop"
    assert podman.asked("dropped-in", DOCUMENT) == LEAVES[DOCUMENT]["body"]
