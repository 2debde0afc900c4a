"""The manifests of examples/kubernetes are valid, fit together, and are what the page says of them."""

from __future__ import annotations

import re
from typing import Any

import kubernetes_validate
import pytest

from support.pods import FOLDER, application, manifests

README = (FOLDER / "README.md").read_text()
OBJECTS = [each for path in sorted(FOLDER.glob("*.yaml")) for each in manifests(path)]
VERSIONS = [f"1.{minor}" for minor in range(25, 38)]
BY_KIND = {each["kind"]: each for each in OBJECTS}
MOCK = BY_KIND["Deployment"]["spec"]["template"]


def test_there_is_one_of_each_kind() -> None:
    assert sorted(each["kind"] for each in OBJECTS) == ["Deployment", "NetworkPolicy", "Pod", "Service"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", OBJECTS, ids=lambda each: str(each["kind"]))
def test_the_schema_of_the_api_holds(document: dict[str, Any], version: str) -> None:
    assert kubernetes_validate.validate(document, version, strict=True) == version


def test_the_schemas_notice_a_misspelled_name() -> None:
    wrong = BY_KIND["Service"] | {"spec": BY_KIND["Service"]["spec"] | {"selektor": {}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="selektor"):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_the_page_names_the_versions() -> None:
    assert f"Kubernetes {VERSIONS[0]} to {VERSIONS[-1]}" in " ".join(README.split())


def test_the_service_finds_the_mock() -> None:
    service = BY_KIND["Service"]["spec"]
    labels = MOCK["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert BY_KIND["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (container,) = MOCK["spec"]["containers"]
    assert [port["targetPort"] for port in service["ports"]] == [port["name"] for port in container["ports"]]
    assert [port["port"] for port in service["ports"]] == [80]


def test_the_policy_is_about_the_mock_and_lets_the_application_in() -> None:
    policy = BY_KIND["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= MOCK["metadata"]["labels"].items()
    allowed = policy["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
    assert allowed.items() <= application()["metadata"]["labels"].items()


def test_only_the_init_container_has_more_than_the_restricted_standard_allows() -> None:
    """Pod Security Standards, `restricted`: what each container has to say."""
    pods = [MOCK["spec"], application()["spec"]]
    for pod in pods:
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert (pod["securityContext"] | context)["runAsNonRoot"] is True
            assert context["readOnlyRootFilesystem"] is True
    (init,) = application()["spec"]["initContainers"]
    assert init["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}


def test_the_page_names_files_and_containers_that_there_are() -> None:
    applied = re.findall(r"--filename (\S+)", README)
    assert len(applied) == 2
    assert all((FOLDER.parents[1] / path).is_file() for path in applied)
    assert f"kubectl exec deploy/{BY_KIND['Deployment']['metadata']['name']} --" in README
    (init,) = application()["spec"]["initContainers"]
    assert f"kubectl logs {application()['metadata']['name']} --container {init['name']}" in README
    loaded = re.findall(r"^kind load docker-image (.*)$", README, re.MULTILINE)[0].split()
    containers = [*MOCK["spec"]["containers"], init, *application()["spec"]["containers"]]
    assert sorted(container["image"] for container in containers) == sorted(loaded)
