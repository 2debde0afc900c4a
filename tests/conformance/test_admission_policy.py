"""The admission policy in `deploy/kustomize`, applied to Pods by the API server's own code, and its schema."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.conformance import go
from support.kubernetes.overlays import INJECTED
from support.kubernetes.standards import check_schemas
from support.kubernetes.tools import KUSTOMIZE, kustomized

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = {"name": "application", "image": "application", "resources": {}}
OWN = {"name": "own", "image": "own", "resources": {}}
ADDED: dict[str, Any] = yaml.safe_load((KUSTOMIZE / "components/inject/pod.yaml").read_text())["spec"][
    "initContainers"
][0]
"""The init container that the component adds."""


def objects(version: str) -> list[dict[str, Any]]:
    """The policy and its binding in a version of their API."""
    return [
        each | {"apiVersion": f"admissionregistration.k8s.io/{version}"} for each in kustomized(KUSTOMIZE / "admission")
    ]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the policy."""
    file = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text(yaml.safe_dump(objects("v1beta1")[0]))
    return file


def created(policy: Path, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    """The specification of a Pod that is created while the policy is in force."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "labels": labels},
        "spec": {"containers": [APPLICATION], **spec},
    }
    done = subprocess.run(
        [go.build("admission"), policy], input=json.dumps(pod), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = yaml.safe_load(done.stdout)["spec"]
    return result


def test_a_labelled_pod_gets_the_init_container_of_the_component(policy: Path) -> None:
    assert created(policy, INJECTED) == {"containers": [APPLICATION], "initContainers": [ADDED]}


def test_the_init_container_runs_before_those_of_the_pod(policy: Path) -> None:
    assert created(policy, INJECTED, initContainers=[OWN])["initContainers"] == [ADDED, OWN]


@pytest.mark.parametrize(
    ("labels", "spec"),
    [
        ({}, {}),
        ({"imds-sidecar/inject": "false"}, {}),
        (INJECTED, {"initContainers": [OWN | {"name": "imds"}]}),
        (INJECTED, {"hostNetwork": True}),
    ],
    ids=["unlabelled", "false", "with the init container", "network of the host"],
)
def test_other_pods_stay_as_they_are(policy: Path, labels: dict[str, str], spec: dict[str, Any]) -> None:
    assert created(policy, labels, **spec) == {"containers": [APPLICATION], **spec}


def test_the_binding_is_that_of_the_policy() -> None:
    first, second = objects("v1")
    assert (first["kind"], second["kind"]) == ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
    assert second["spec"]["policyName"] == first["metadata"]["name"]


@pytest.mark.parametrize(("version", "releases"), [("v1beta1", ("1.34", "1.35")), ("v1", ("1.36", "1.37"))])
def test_policy_and_binding_are_valid(version: str, releases: tuple[str, ...]) -> None:
    check_schemas(objects(version), releases)
