"""The kustomizations in `deploy/kustomize`, as `kubectl kustomize` builds them."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.kubernetes.overlays import INJECTED, overlay
from support.kubernetes.standards import beyond_restricted, check_schemas, pod_of
from support.kubernetes.tools import KUSTOMIZE, kustomized, template
from support.paths import DOCS, IMDS_MOCK
from support.pods import FOLDER, manifests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SELECTED = {"selector": {"matchLabels": {"app": "a"}}}
POD = {"containers": [{"name": "application", "image": "application"}]}
TEMPLATE = {"template": {"metadata": {"labels": {"app": "a"}}, "spec": POD}}
ENDING = {"template": {"spec": POD | {"restartPolicy": "Never"}}}
WORKLOADS: dict[str, tuple[str, dict[str, Any]]] = {
    "Pod": ("v1", POD),
    "Deployment": ("apps/v1", SELECTED | TEMPLATE),
    "StatefulSet": ("apps/v1", SELECTED | TEMPLATE | {"serviceName": "a"}),
    "DaemonSet": ("apps/v1", SELECTED | TEMPLATE),
    "ReplicaSet": ("apps/v1", SELECTED | TEMPLATE),
    "Job": ("batch/v1", ENDING),
    "CronJob": ("batch/v1", {"schedule": "0 3 * * *", "jobTemplate": {"spec": ENDING}}),
}


def workload(kind: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    version, spec = WORKLOADS[kind]
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": kind.lower(), "labels": labels or {}},
        "spec": spec,
    }


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The object of a kind whose name begins with a text; generators append a hash."""
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name)]
    return found


def own(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The workload of the overlay."""
    return named(objects, kind, kind.lower())


def init_container(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod_of(workload)["initContainers"][0]
    assert found["name"] == "imds"
    return found


def test_the_base(tmp_path: Path) -> None:
    objects = overlay(tmp_path)
    assert sorted(each["kind"] for each in objects) == [
        *("ConfigMap", "ConfigMap", "Deployment", "NetworkPolicy", "Service")
    ]
    deployment, service = named(objects, "Deployment", "imds-mock"), named(objects, "Service", "imds-mock")
    assert beyond_restricted(pod_of(deployment)) == {}
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    (container,) = pod_of(deployment)["containers"]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == [port["name"] for port in container["ports"]]
    volume = {each["name"]: each for each in pod_of(deployment)["volumes"]}["config"]
    config = named(objects, "ConfigMap", "imds-mock-config")
    assert volume["configMap"] == {"name": config["metadata"]["name"], "optional": True}


def example() -> list[dict[str, Any]]:
    return [document for name in ("mock.yaml", "network-policy.yaml") for document in manifests(FOLDER / name)]


@pytest.mark.parametrize("objects", [lambda: kustomized(KUSTOMIZE / "base"), example], ids=["base", "example"])
def test_it_and_a_chart_in_one_namespace_select_their_own_pods(objects: Callable[[], list[dict[str, Any]]]) -> None:
    plain, chart = objects(), template()
    for own, other in ((plain, chart), (chart, plain)):
        labels = named(other, "Deployment", "")["spec"]["template"]["metadata"]["labels"]
        for selector in (
            named(own, "Service", "")["spec"]["selector"],
            named(own, "NetworkPolicy", "")["spec"]["podSelector"]["matchLabels"],
            named(own, "Deployment", "")["spec"]["selector"]["matchLabels"],
        ):
            assert not selector.items() <= labels.items()


def test_the_mock_accepts_the_configuration_of_the_base(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text(named(kustomized(KUSTOMIZE / "base"), "ConfigMap", "imds-mock-config")["data"]["mock.yaml"])
    checked = subprocess.run([IMDS_MOCK, "config", "check", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_an_overlay_replaces_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mock.yaml").write_text("instance: {region: eu-west-1}\n")
    generator = {"name": "imds-mock-config", "behavior": "merge", "files": ["mock.yaml"]}
    objects = overlay(tmp_path, configMapGenerator=[generator])
    assert named(objects, "ConfigMap", "imds-mock-config")["data"] == {"mock.yaml": "instance: {region: eu-west-1}\n"}


def test_the_control_plane_needs_the_token_of_a_secret(tmp_path: Path) -> None:
    objects = overlay(tmp_path, components=("control",))
    ports = {port["name"]: port["port"] for port in named(objects, "Service", "imds-mock")["spec"]["ports"]}
    assert ports == {"imds": 80, "control": 1339}
    (container,) = pod_of(named(objects, "Deployment", "imds-mock"))["containers"]
    variables = {each["name"]: each for each in container["env"]}
    assert variables["IMDS_MOCK_CONTROL_TOKEN"]["valueFrom"]["secretKeyRef"] == {
        "name": "imds-mock-control",
        "key": "token",
    }
    rules = named(objects, "NetworkPolicy", "imds-mock")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in rules] == ["imds", "control"]


def announced_folder(deployment: dict[str, Any]) -> dict[str, Any]:
    """The volume in whose root the mock keeps what Pods have announced."""
    (container,) = pod_of(deployment)["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    folder, _, name = variables["IMDS_MOCK_CALLERS_ANNOUNCED_FILE"].rpartition("/")
    assert name == "announced.json"
    (volume,) = [each["name"] for each in container["volumeMounts"] if each["mountPath"] == folder]
    (found,) = [each for each in pod_of(deployment)["volumes"] if each["name"] == volume]
    return {key: value for key, value in found.items() if key != "name"}


def test_what_pods_have_announced_outlives_the_mock_s_container_and_with_a_claim_its_pod(tmp_path: Path) -> None:
    before = named(kustomized(KUSTOMIZE / "base"), "Deployment", "imds-mock")
    assert announced_folder(before) == {"emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}
    objects = overlay(tmp_path, components=("persistence", "control"))
    deployment, claim = named(objects, "Deployment", "imds-mock"), named(objects, "PersistentVolumeClaim", "imds-mock")
    assert announced_folder(deployment) == {"persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert pod_of(deployment)["securityContext"]["fsGroup"] == pod_of(deployment)["securityContext"]["runAsGroup"]
    assert beyond_restricted(pod_of(deployment)) == {}


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_labelled_workload_gets_the_init_container(tmp_path: Path, kind: str) -> None:
    objects = overlay(tmp_path, workload(kind, INJECTED), components=("inject",))
    container = init_container(own(objects, kind))
    assert container["args"] == ["--init"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    settings = named(objects, "ConfigMap", "imds-sidecar")
    assert settings["metadata"]["name"] == "imds-sidecar"
    assert settings["data"] == {"MOCK_HOSTNAME": "imds-mock", "MOCK_PORT": "80"}
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"], "optional": True}}]
    paths = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]}
    assert paths == {
        "MOCK_INSTANCE_NAME": "metadata.name",
        "MOCK_INSTANCE": "metadata.annotations['imds-sidecar/instance']",
    }
    assert pod_of(own(objects, kind))["containers"] == POD["containers"]


@pytest.mark.parametrize("kind", WORKLOADS)
@pytest.mark.parametrize("labels", [{}, {"imds-sidecar/inject": "false"}], ids=["unlabelled", "false"])
def test_other_workloads_stay_as_they_are(tmp_path: Path, kind: str, labels: dict[str, str]) -> None:
    objects = overlay(tmp_path, workload(kind, labels), components=("inject",))
    assert own(objects, kind)["spec"] == workload(kind)["spec"]


def test_the_init_container_runs_before_those_of_the_workload(tmp_path: Path) -> None:
    labelled = workload("Deployment", INJECTED)
    labelled["spec"] = SELECTED | {
        "template": {**TEMPLATE["template"], "spec": POD | {"initContainers": [{"name": "own", "image": "own"}]}}
    }
    objects = overlay(tmp_path, labelled, components=("inject",))
    names = [each["name"] for each in pod_of(own(objects, "Deployment"))["initContainers"]]
    assert names == ["imds", "own"]


def test_a_restricted_workload_has_only_the_init_container_beyond_the_standard(tmp_path: Path) -> None:
    labelled = workload("Pod", INJECTED)
    restricted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    labelled["spec"] = {"containers": [POD["containers"][0] | {"securityContext": restricted}]}
    objects = overlay(tmp_path, labelled, components=("inject",))
    assert beyond_restricted(own(objects, "Pod")["spec"]) == {"imds": ["root", "NET_ADMIN"]}


def test_an_overlay_sets_images_and_the_settings_of_the_shim(tmp_path: Path) -> None:
    objects = overlay(
        tmp_path,
        workload("Deployment", INJECTED),
        components=("inject",),
        images=[{"name": "imds-shim", "newName": "registry.example/imds-shim", "newTag": "1"}],
        configMapGenerator=[
            {"name": "imds-sidecar", "behavior": "merge", "literals": ["MOCK_PORT=1338", "MOCK_ENDPOINTS=ec2,eks"]}
        ],
    )
    assert init_container(own(objects, "Deployment"))["image"] == "registry.example/imds-shim:1"
    assert named(objects, "ConfigMap", "imds-sidecar")["data"] == {
        "MOCK_HOSTNAME": "imds-mock",
        "MOCK_PORT": "1338",
        "MOCK_ENDPOINTS": "ec2,eks",
    }


def test_the_policy_keeps_pods_from_the_metadata_service_of_the_node(tmp_path: Path) -> None:
    objects = overlay(tmp_path, workload("Pod"), components=("block-node-imds",))
    policy = named(objects, "NetworkPolicy", "block")["spec"]
    assert policy["podSelector"] == {}
    assert policy["policyTypes"] == ["Egress"]
    blocks = {each["ipBlock"]["cidr"]: each["ipBlock"]["except"] for each in policy["egress"][0]["to"]}
    assert blocks == {"0.0.0.0/0": ["169.254.169.254/32"], "::/0": ["fd00:ec2::254/128"]}


def test_the_overlay_of_the_page(tmp_path: Path) -> None:
    page = (DOCS / "kubernetes.md").read_text()
    files = dict(re.findall(r"```yaml\n(?=# ([a-z]+\.yaml))(.*?)```", page, re.DOTALL))
    assert sorted(files) == ["kustomization.yaml", "nightly.yaml", "worker.yaml"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    shutil.copytree(KUSTOMIZE, tmp_path / "imds-sidecar/deploy/kustomize")
    objects = kustomized(tmp_path)
    check_schemas(objects)
    assert {each["metadata"]["namespace"] for each in objects} == {"shop"}
    for kind, name in (("Deployment", "worker"), ("Job", "nightly")):
        found = named(objects, kind, name)
        assert init_container(found)["image"] == "registry.example/imds-shim:0.1.0"
        assert found["spec"]["template"]["metadata"]["annotations"]["imds-sidecar/instance"].startswith("role=")
