"""The manifests of examples/kubernetes, run with containers: a namespace, the init container, then the application."""

from __future__ import annotations

import contextlib
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from support import pods
from support.containers import INSTANCE_ID
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker
    from support.pods import Pod

README = (pods.FOLDER / "README.md").read_text()
EXECUTED = dict(re.findall(r"^kubectl exec (\S+) -- (.*)$", README, re.MULTILINE))


@pytest.fixture(scope="module")
def images(docker: Docker, mock_image: str, shim_image: str) -> set[str]:
    built = re.findall(r"^docker build --tag (\S+) (\S+)$", README, re.MULTILINE)
    return {mock_image, shim_image, *(docker.build(tag, ROOT / folder) for tag, folder in built)}


@pytest.fixture(scope="module")
def cluster(docker: Docker, images: set[str], tools_image: str) -> Iterator[tuple[str, Pod]]:
    """A network with the mock behind its Service; gives its name and the mock's Pod."""
    service, template = pods.mock()
    assert {container["image"] for container in template["spec"]["containers"]} <= images
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(docker.network())
        mock = stack.enter_context(pods.running(docker, template, network, service["metadata"]["name"]))
        (port,), (container,) = service["spec"]["ports"], template["spec"]["containers"]
        target = next(each["containerPort"] for each in container["ports"] if each["name"] == port["targetPort"])
        rules = (
            "add table ip service\n"
            "add chain ip service prerouting { type nat hook prerouting priority dstnat; }\n"
            f"add rule ip service prerouting tcp dport {port['port']} redirect to :{target}\n"
        )
        # What kube-proxy does for a Service: another port, by address translation.
        beside = ["run", "--rm", "--interactive", "--network", f"container:{mock.network}", "--cap-add", "NET_ADMIN"]
        docker(*beside, "--entrypoint", "nft", tools_image, "-f", "-", input_text=rules)
        docker.await_log(mock.containers[container["name"]], "answers on", seconds=120)
        yield network, mock


@pytest.fixture(scope="module")
def application(docker: Docker, images: set[str], cluster: tuple[str, Pod]) -> Iterator[str]:
    """The application's Pod; gives the container of the application."""
    pod = pods.application()
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    assert {container["image"] for container in containers} <= images
    with pods.running(docker, pod, cluster[0]) as running:
        yield running.containers[pod["metadata"]["name"]]


def test_the_application_reads_its_instance_id(docker: Docker, application: str) -> None:
    assert docker("exec", application, *shlex.split(EXECUTED["application"])).stdout == INSTANCE_ID


def test_the_application_has_no_privilege(docker: Docker, application: str) -> None:
    status = docker("exec", application, "cat", "/proc/1/status").stdout
    sets = dict(re.findall(r"^(Cap\w+|NoNewPrivs|Uid):\t(\S+)", status, re.MULTILINE))
    assert {sets.pop(f"Cap{name}") for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert sets == {"NoNewPrivs": "1", "Uid": "1000"}


def test_the_mock_can_be_driven_and_knows_the_caller(
    docker: Docker, cluster: tuple[str, Pod], application: str
) -> None:
    docker("exec", application, *shlex.split(EXECUTED["application"]))
    (mock,) = cluster[1].containers.values()
    said = docker("exec", mock, *shlex.split(EXECUTED["deploy/imds-mock"])).stdout
    assert "/latest/meta-data/instance-id" in said


def test_the_probes_of_the_mock(docker: Docker, cluster: tuple[str, Pod], application: str) -> None:
    """As a kubelet asks them; and they leave no trace among the requests."""
    _, template = pods.mock()
    (container,) = template["spec"]["containers"]
    (mock,) = cluster[1].containers.values()
    assert container["readinessProbe"] == container["livenessProbe"]
    get = container["readinessProbe"]["httpGet"]
    port = next(each["containerPort"] for each in container["ports"] if each["name"] == get["port"])
    headers = [word for each in get["httpHeaders"] for word in ("--header", f"{each['name']}: {each['value']}")]
    asked = docker("exec", mock, "imds-mock", "ctl", "requests").stdout
    address = docker("exec", cluster[1].network, "hostname", "-i").stdout.strip()
    shown = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}")
    answer = docker("exec", application, *shown, *headers, f"http://{address}:{port}{get['path']}")
    assert 200 <= int(answer.stdout) < 400
    assert docker("exec", mock, "imds-mock", "ctl", "requests").stdout == asked


def test_without_the_mock_the_pod_does_not_start(docker: Docker, images: set[str]) -> None:
    assert images
    pod = pods.application()
    pod["spec"]["initContainers"][0]["env"].append({"name": "MOCK_TIMEOUT_SECONDS", "value": "1"})
    with (
        docker.network() as alone,
        pytest.raises(AssertionError, match=r"ended with 68"),
        pods.running(docker, pod, alone),
    ):
        pass
