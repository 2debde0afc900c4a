"""The chart in `deploy/helm/imds-mock`, rendered by Helm, also with the values of amazon-ec2-metadata-mock."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.kubernetes.standards import beyond_restricted, check_schemas, pod_of
from support.kubernetes.tools import CHART, helm, refused, rendered, template
from support.paths import IMDS_MOCK

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-token-of-20-letters"  # noqa: S105 - planted
AEMM_VALUES: dict[str, Any] = {
    "image": {
        "repository": "public.ecr.aws/aws-ec2/amazon-ec2-metadata-mock",
        "tag": "v1.11.0",
        "pullPolicy": "IfNotPresent",
    },
    "replicaCount": 1,
    "nameOverride": "",
    "fullnameOverride": "",
    "namespace": "default",
    "targetNodeOs": "linux",
    "resources": {"requests": {"memory": "64Mi", "cpu": "50m"}, "limits": {"memory": "128Mi", "cpu": "100m"}},
    "nodeSelector": {},
    "linuxNodeSelector": {},
    "windowsNodeSelector": {},
    "nodeSelectorTermsOs": "",
    "nodeSelectorTermsArch": "",
    "podAnnotations": {},
    "linuxAnnotations": {},
    "windowsAnnotations": {},
    "tolerations": [],
    "linuxTolerations": [],
    "windowsTolerations": [],
    "arguments": [],
    "linuxArguments": [],
    "windowsArguments": [],
    "updateStrategy": "RollingUpdate",
    "linuxUpdateStrategy": "",
    "windowsUpdateStrategy": "",
    "rbac": {"pspEnabled": False},
    "serviceAccount": {"create": True, "name": "amazon-ec2-metadata-mock-service-account", "annotations": {}},
    "securityContext": {"runAsUserID": "1000", "runAsGroupID": "1000"},
    "configMap": "",
    "configMapFileName": "aemm-config.json",
    "servicePort": "1338",
    "serviceName": "amazon-ec2-metadata-mock-service",
    "aemm": {
        "server": {"hostname": ""},
        "mockDelaySec": 0,
        "mockTriggerTime": "",
        "mockIPCount": 2,
        "imdsv2": False,
        "rebalanceDelaySec": 0,
        "rebalanceTriggerTime": "",
        "spot": {"action": "", "time": "", "rebalanceRecTime": ""},
        "events": {"code": "", "notAfter": "", "notBefore": "", "notBeforeDeadline": "", "state": ""},
    },
    "test": {"image": "centos", "imageTag": "latest", "pullPolicy": "IfNotPresent"},
}
"""The values file of amazon-ec2-metadata-mock's chart 1.11 with all values as they are."""

WITH_CONTROL = {"control": {"token": TOKEN}}
EVERYTHING = {
    **WITH_CONTROL,
    "config": {"identity": "per-container", "instance": {"region": "eu-west-1"}},
    "imagePullSecrets": [{"name": "registry"}],
    "replicaCount": 2,
    "env": [{"name": "IMDS_MOCK_REGION", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['region']"}}}],
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/mock"}},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "low",
    "podLabels": {"team": "a"},
    "podAnnotations": {"note": "b"},
    "networkPolicy": {
        "from": [{"namespaceSelector": {}}],
        "controlFrom": [{"podSelector": {"matchLabels": {"a": "b"}}}],
    },
}


def container(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (found,) = pod_of(objects["Deployment"])["containers"]
    assert isinstance(found, dict)
    return found


def variables(objects: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The variables with a value of the mock's container."""
    return {each["name"]: each["value"] for each in container(objects)["env"] if "value" in each}


def test_helm_finds_nothing_to_complain_about() -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr
    # Helm recommends an icon.
    assert [line for line in done.stdout.splitlines() if line.startswith("[")] == [
        "[INFO] Chart.yaml: icon is recommended"
    ]


@pytest.mark.parametrize(
    "values",
    [
        {},
        WITH_CONTROL,
        EVERYTHING,
        AEMM_VALUES,
        {"networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}},
        {"persistence": {"enabled": True, "storageClass": "fast", "size": "1Gi"}},
    ],
    ids=["defaults", "with a token", "everything", "values of amazon-ec2-metadata-mock", "less", "with a volume"],
)
def test_the_objects_are_valid_and_restricted(values: dict[str, Any]) -> None:
    objects = template(values)
    check_schemas(objects)
    pods = [pod_of(each) for each in objects if each["kind"] in ("Deployment", "Pod")]
    assert [beyond_restricted(pod) for pod in pods] == [{}, {}]
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in pod["containers"])


def test_what_pods_have_announced_outlives_the_container_and_with_a_volume_the_pod() -> None:
    file = "IMDS_MOCK_CALLERS_ANNOUNCED_FILE"
    assert variables(rendered())[file] == "/tmp/announced.json"  # noqa: S108 - the Pod's own
    objects = rendered({"persistence": {"enabled": True}})
    claim = objects["PersistentVolumeClaim"]
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}}
    volumes = {each["name"]: each for each in pod_of(objects["Deployment"])["volumes"]}
    mounts = {each["mountPath"]: volumes[each["name"]] for each in container(objects)["volumeMounts"]}
    folder = variables(objects)[file].removesuffix("/announced.json")
    assert mounts[folder]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert objects["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert pod_of(objects["Deployment"])["securityContext"]["fsGroup"] == 65532
    with_own = rendered({"persistence": {"enabled": True, "existingClaim": "mine"}})
    assert "PersistentVolumeClaim" not in with_own
    assert {"claimName": "mine"} in [
        each.get("persistentVolumeClaim") for each in pod_of(with_own["Deployment"])["volumes"]
    ]
    assert "needs replicaCount 1" in refused({"persistence": {"enabled": True}, "replicaCount": 2})


def test_the_defaults() -> None:
    objects = rendered()
    assert sorted(objects) == ["Deployment", "NetworkPolicy", "Service", "ServiceAccount"]
    assert objects["Service"]["metadata"]["name"] == "mock-imds-mock"
    (port,) = objects["Service"]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, "imds")
    assert container(objects)["image"] == "imds-mock:0.1.0"
    assert variables(objects) == {
        "IMDS_MOCK_PORT": "1338",
        "IMDS_MOCK_CONTROL_PORT": "1339",
        "IMDS_MOCK_CONTROL_TRUST_GATEWAY": "false",
        "IMDS_MOCK_CALLERS_ANNOUNCED_FILE": "/tmp/announced.json",  # noqa: S108 - the Pod's own
    }
    assert objects["NetworkPolicy"]["spec"]["ingress"] == [
        {"from": [{"podSelector": {}}], "ports": [{"port": "imds", "protocol": "TCP"}]}
    ]


def test_service_and_policy_select_the_mock_and_not_the_pod_of_the_test() -> None:
    objects = {each["kind"]: each for each in template()}
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        objects["Service"]["spec"]["selector"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert not selector.items() <= objects["Pod"]["metadata"]["labels"].items()
    service = objects["Service"]
    assert container(objects | {"Deployment": objects["Pod"]})["args"][-1] == (
        f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    )


def test_the_probes_ask_the_mock_itself() -> None:
    mock = container(rendered())
    for probe in (mock["readinessProbe"], mock["livenessProbe"]):
        assert probe["httpGet"]["port"] in [port["name"] for port in mock["ports"]]
        assert probe["httpGet"]["httpHeaders"] == [{"name": "X-Imds-Mock-Probe", "value": "kubelet"}]


def test_the_configuration_becomes_a_config_map_that_the_mock_accepts(tmp_path: Path) -> None:
    config = {
        "instance": {"region": "eu-west-1", "tags": {"Name": "<web> & co"}, "account_id": "012345678901"},
        "control": {"journal_entries": 1_000_000},
    }
    objects = rendered({"config": config})
    ((name, text),) = objects["ConfigMap"]["data"].items()
    assert json.loads(text) == config
    assert "1e+06" not in text
    file = tmp_path / name
    file.write_text(text)
    checked = subprocess.run([IMDS_MOCK, "config", "check", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert variables(objects)["IMDS_MOCK_CONFIG"] == f"/etc/imds-mock/{name}"
    volumes = {volume["name"]: volume for volume in pod_of(objects["Deployment"])["volumes"]}
    mounted = {mount["mountPath"]: volumes[mount["name"]] for mount in container(objects)["volumeMounts"]}
    assert mounted["/etc/imds-mock"]["configMap"] == {
        "name": objects["ConfigMap"]["metadata"]["name"],
        "optional": True,
    }


def test_an_existing_config_map_is_mounted() -> None:
    objects = rendered({"existingConfigMap": "mine", "existingConfigMapKey": "imds.yaml"})
    assert "ConfigMap" not in objects
    assert variables(objects)["IMDS_MOCK_CONFIG"] == "/etc/imds-mock/imds.yaml"
    assert {"name": "mine", "optional": True} in [
        each.get("configMap") for each in pod_of(objects["Deployment"])["volumes"]
    ]


def test_another_configuration_starts_another_pod() -> None:
    first, second = (rendered({"config": {"instance": {"region": each}}}) for each in ("eu-west-1", "eu-west-2"))
    annotations = [each["Deployment"]["spec"]["template"]["metadata"]["annotations"] for each in (first, second)]
    assert annotations[0]["checksum/config"] != annotations[1]["checksum/config"]


def test_the_control_plane_with_a_token() -> None:
    objects = rendered(WITH_CONTROL)
    assert base64.b64decode(objects["Secret"]["data"]["token"]).decode() == TOKEN
    (variable,) = [each for each in container(objects)["env"] if each["name"] == "IMDS_MOCK_CONTROL_TOKEN"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": objects["Secret"]["metadata"]["name"], "key": "token"}
    assert [port["port"] for port in objects["Service"]["spec"]["ports"]] == [80, 1339]
    assert variables(objects)["IMDS_MOCK_CONTROL_ALLOWED_HOSTS"].split(",") == [
        f"mock-imds-mock{domain}" for domain in ("", ".demo", ".demo.svc", ".demo.svc.cluster.local")
    ]
    assert [rule["ports"][0]["port"] for rule in objects["NetworkPolicy"]["spec"]["ingress"]] == ["imds", "control"]
    assert TOKEN not in json.dumps({kind: each for kind, each in objects.items() if kind != "Secret"})


def test_the_control_plane_with_an_existing_secret() -> None:
    objects = rendered({"control": {"existingSecret": "mine", "existingSecretKey": "bearer"}})
    assert "Secret" not in objects
    (variable,) = [each for each in container(objects)["env"] if each["name"] == "IMDS_MOCK_CONTROL_TOKEN"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "mine", "key": "bearer"}


def test_without_the_control_plane() -> None:
    objects = rendered({"control": {"enabled": False, "token": TOKEN}})
    assert "Secret" not in objects
    assert variables(objects)["IMDS_MOCK_CONTROL_ENABLED"] == "false"
    assert [port["name"] for port in container(objects)["ports"]] == ["imds"]


def test_the_values_file_of_amazon_ec2_metadata_mock() -> None:
    objects = rendered(AEMM_VALUES)
    assert objects["Service"]["metadata"]["name"] == "amazon-ec2-metadata-mock-service"
    assert [port["port"] for port in objects["Service"]["spec"]["ports"]] == [1338]
    assert objects["ServiceAccount"]["metadata"]["name"] == "amazon-ec2-metadata-mock-service-account"
    assert container(objects)["image"] == "imds-mock:0.1.0"
    assert container(objects)["resources"] == AEMM_VALUES["resources"]
    pod = pod_of(objects["Deployment"])
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (1000, 1000)
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    aemm = {name: value for name, value in variables(objects).items() if not name.startswith("IMDS_MOCK_CONTROL")}
    assert aemm == {"IMDS_MOCK_PORT": "1338", "IMDS_MOCK_COMPATIBILITY": "aemm", "AEMM_MOCK_IP_COUNT": "2"}
    assert objects["NetworkPolicy"]["spec"]["ingress"][0]["from"] == [{"namespaceSelector": {}}]


def test_each_value_of_amazon_ec2_metadata_mock_becomes_its_variable() -> None:
    times = {
        "notBefore": "2026-01-01T00:00:00Z",
        "notAfter": "2026-01-02T00:00:00Z",
        "notBeforeDeadline": "2026-01-03T00:00:00Z",
    }
    values = {
        "aemm": {
            "server": {"hostname": "0.0.0.0"},  # noqa: S104 - the value of a setting
            "mockDelaySec": 120,
            "mockTriggerTime": "2026-01-01T00:00:00Z",
            "mockIPCount": 5,
            "imdsv2": True,
            "rebalanceDelaySec": "10",
            "rebalanceTriggerTime": "2026-01-01T00:00:01Z",
            "spot": {"action": "stop", "time": "2026-01-01T00:00:02Z", "rebalanceRecTime": "2026-01-01T00:00:03Z"},
            "events": {"code": "instance-stop", "state": "completed", **times},
        }
    }
    set_ = {name: value for name, value in variables(rendered(values)).items() if name.startswith("AEMM_")}
    assert set_ == {
        "AEMM_SERVER_HOSTNAME": "0.0.0.0",  # noqa: S104 - the value of a setting
        "AEMM_MOCK_DELAY_SEC": "120",
        "AEMM_MOCK_TRIGGER_TIME": "2026-01-01T00:00:00Z",
        "AEMM_MOCK_IP_COUNT": "5",
        "AEMM_IMDSV2": "true",
        "AEMM_REBALANCE_DELAY_SEC": "10",
        "AEMM_REBALANCE_TRIGGER_TIME": "2026-01-01T00:00:01Z",
        "AEMM_SPOT_ACTION": "stop",
        "AEMM_SPOT_TIME": "2026-01-01T00:00:02Z",
        "AEMM_SPOT_REBALANCE_REC_TIME": "2026-01-01T00:00:03Z",
        "AEMM_EVENTS_CODE": "instance-stop",
        "AEMM_EVENTS_STATE": "completed",
        "AEMM_EVENTS_NOT_BEFORE": "2026-01-01T00:00:00Z",
        "AEMM_EVENTS_NOT_AFTER": "2026-01-02T00:00:00Z",
        "AEMM_EVENTS_NOT_BEFORE_DEADLINE": "2026-01-03T00:00:00Z",
    }


def test_a_config_map_and_arguments_of_amazon_ec2_metadata_mock() -> None:
    objects = rendered(
        {"configMap": "theirs", "configMapFileName": "aemm.yaml", "arguments": ["spot", "-d", 10], "servicePort": 1550}
    )
    assert container(objects)["args"] == ["spot", "-d", "10"]
    assert variables(objects)["AEMM_CONFIG_FILE"] == "/config/aemm.yaml"
    assert {"name": "aemm-config", "mountPath": "/config", "readOnly": True} in container(objects)["volumeMounts"]
    assert {"name": "theirs", "optional": True} in [
        each.get("configMap") for each in pod_of(objects["Deployment"])["volumes"]
    ]
    assert [port["port"] for port in objects["Service"]["spec"]["ports"]] == [1550]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 2}, "replicas"),
        ({"image": {"repo": "x"}}, "repo"),
        ({"control": {"tokne": TOKEN}}, "tokne"),
        ({"control": {"token": "short"}}, "token"),
        ({"config": {"instance": {"regoin": "eu-west-1"}}}, "regoin"),
        ({"config": {"instance": {"account_id": "12"}}}, "account_id"),
        ({"config": {"variants": [{"match": {"service": "a"}, "instance": {"rol": "b"}}]}}, "rol"),
        ({"aemm": {"spot": {"actoin": "stop"}}}, "actoin"),
        ({"networkPolicy": {"from": [{"podSelektor": {}}]}}, "podSelektor"),
        ({"servicePort": "http"}, "servicePort"),
        ({"config": {"instance": {}}, "existingConfigMap": "a"}, "config and existingConfigMap are both set"),
        ({"control": {"token": TOKEN, "existingSecret": "a"}}, "control.token and control.existingSecret are both set"),
        ({"targetNodeOs": "windows"}, 'targetNodeOs is "windows"; imds-mock has images for linux only'),
        ({"compatibility": "imds", "configMap": "a"}, "compatibility is imds, but aemm or configMap is set"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], named: str) -> None:
    assert named in refused(values)


def test_the_page_shows_what_helm_says_of_a_wrong_key() -> None:
    shown = re.search(r"\n\$ helm (.*)\n((?:.*\n)*?)```", (CHART / "README.md").read_text())
    assert shown is not None
    done = helm(*shown[1].split())
    assert (done.returncode, done.stderr.strip()) == (1, shown[2].strip())


def notes(folder: Path, values: dict[str, Any]) -> str:
    """What `helm install` prints. It needs a cluster for that, so a copy of the chart renders the text as an object."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart)
    (chart / "templates/NOTES.txt").rename(chart / "notes")
    (chart / "templates/notes.yaml").write_text('kind: Notes\ntext: {{ tpl (.Files.Get "notes") . | quote }}\n')
    return str(rendered(values, chart=chart)["Notes"]["text"])


def test_the_notes_say_how_to_reach_the_mock(tmp_path: Path) -> None:
    said = notes(tmp_path, {})
    assert "MOCK_HOSTNAME=mock-imds-mock\n" in said
    assert "MOCK_PORT=80\n" in said
    assert "kubectl --namespace demo exec deploy/mock-imds-mock -- imds-mock ctl status" in said
    assert "WARNING" not in said


def test_the_notes_say_what_has_no_effect(tmp_path: Path) -> None:
    said = notes(
        tmp_path, AEMM_VALUES | {"rbac": {"pspEnabled": True}, "targetNodeOs": "linux windows", "replicaCount": 2}
    )
    assert "with the data and events of amazon-ec2-metadata-mock" in said
    assert "the chart uses imds-mock:0.1.0 instead" in said
    assert "rbac.pspEnabled has no effect" in said
    assert "WARNING: replicaCount is 2." in said
    assert "the mock runs on Linux nodes" in said
