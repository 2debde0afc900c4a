"""ECS task metadata: version 2, containers that share a task, overrides of documents."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.agents.document_overrides import DocumentOverrides
from imds_mock.build.loading import from_document
from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import read_yaml
from imds_mock.service.messages import ECS
from support.agents import Container
from support.metadata import STARTED
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.agents.task_metadata import Task
    from imds_mock.signing.signer import Signer

DOCS = ROOT / "docs"
UNKNOWN = "0" * 64


def test_version_2_of_a_task(signer: Signer) -> None:
    container = Container(signer, {"instance": {"tags": {"Name": "web-1"}}})
    task, newer = container.ecs("/v2/metadata"), container.ecs("/v4/x/task")
    assert set(task) == {
        "Cluster", "TaskARN", "Family", "Revision", "DesiredStatus", "KnownStatus", "Containers", "Limits",
        "PullStartedAt", "PullStoppedAt", "AvailabilityZone",
    }  # fmt: skip
    assert all(task[key] == newer[key] for key in task if key != "Containers")
    (own,), (newer_own,) = task["Containers"], newer["Containers"]
    assert set(newer_own) - set(own) == {"ContainerARN"}
    assert own["Networks"] == [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.1.23"]}]
    assert container.ecs(f"/v2/metadata/{own['DockerId']}") == own
    assert container.ecs("/v2/metadata/") == task
    tagged = task | {"ContainerInstanceTags": {"Name": "web-1"}}
    assert container.ecs("/v2/metadataWithTags") == container.ecs("/v2/metadata/taskWithTags") == tagged


def test_version_2_of_the_resource_usage(signer: Signer) -> None:
    container = Container(signer)
    docker_id = container.ecs("/v4/x")["DockerId"]
    request_metrics = container.ecs("/v4/x/stats", STARTED + 9)
    del request_metrics["network_rate_stats"]
    assert container.ecs("/v2/stats", STARTED + 9) == {docker_id: request_metrics}
    assert container.ecs(f"/v2/stats/{docker_id}", STARTED + 9) == request_metrics


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (f"/v2/metadata/{UNKNOWN}", 400, f"Unable to generate metadata for container '{UNKNOWN}'"),
        (f"/v2/stats/{UNKNOWN}", 400, f"Unable to get container stats for: {UNKNOWN}"),
        ("/v2", 404, None),
        ("/v2/other", 404, None),
        ("/v2/metadata/a/b", 404, None),
    ],
)
def test_version_2_errors(signer: Signer, path: str, status: int, body: str | None) -> None:
    answer = Container(signer).ask(ECS, path)
    assert answer.status == status
    assert answer.body == (b"404 page not found\n" if body is None else json.dumps(body).encode())


class Others:
    """The other containers that the mock knows."""

    def __init__(self, name: str | None, others: Iterable[tuple[str, Task]] = ()) -> None:
        self._name, self._others = name, others

    def name_of(self, _address: str) -> str | None:
        return self._name

    def others(self, _address: str) -> Iterable[tuple[str, Task]]:
        return self._others


def names(task: dict[str, Any]) -> list[str]:
    return [each["Name"] for each in task["Containers"]]


def test_the_containers_of_a_task_list_each_other(signer: Signer) -> None:
    alone = Container(signer)
    web = Container(signer, known_containers=Others("web", [("worker", alone.agents.task)]))
    worker = Container(signer, known_containers=Others("worker", [("web", alone.agents.task)]))
    task, same = web.ecs("/v4/x/task"), worker.ecs("/v4/x/task")
    assert names(task) == ["web", "worker"]
    assert names(same) == ["worker", "web"]
    assert same["Containers"] == task["Containers"][::-1], "every container of the task gives the same documents"
    assert web.ecs("/v4/x") == task["Containers"][0]
    ids = [each["DockerId"] for each in task["Containers"]]
    assert list(web.ecs("/v4/x/task/stats")) == list(web.ecs("/v2/stats")) == ids
    assert web.ecs(f"/v4/{ids[1]}") == task["Containers"][1]
    assert web.ecs(f"/v2/metadata/{ids[1]}")["Name"] == "worker"
    assert len({json.dumps(each["Networks"]) for each in task["Containers"]}) == 1, "they share an interface"


def test_containers_of_other_tasks_are_not_listed(signer: Signer) -> None:
    other = Container(signer, {"instance": {"instance_id": "i-0000000000000000f"}})
    family = Container(signer, {"ecs": {"family": "other"}})
    others = [("other", other.agents.task), ("family", family.agents.task)]
    assert names(Container(signer, known_containers=Others("web", others)).ecs("/v4/x/task")) == ["web"]


def test_instances_with_the_same_task_id_share_a_task(signer: Signer) -> None:
    ecs = {"ecs": {"task_id": "0" * 32}}
    other = Container(signer, ecs | {"instance": {"instance_id": "i-0000000000000000f", "local_ipv4": "10.0.1.99"}})
    task = Container(signer, ecs, known_containers=Others("web", [("db", other.agents.task)])).ecs("/v4/x/task")
    assert names(task) == ["web", "db"]
    assert [each["Networks"][0]["IPv4Addresses"] for each in task["Containers"]] == [["10.0.1.23"], ["10.0.1.99"]]
    assert len({each["DockerId"] for each in task["Containers"]}) == 2


def test_the_name_of_a_container_is_configurable(signer: Signer) -> None:
    assert names(Container(signer).ecs("/v4/x/task")) == ["app"]
    ecs = {"ecs": {"container_name": "main"}}
    alone = Container(signer, ecs)
    task = Container(signer, ecs, known_containers=Others("web", [("db", alone.agents.task)])).ecs("/v4/x/task")
    assert names(task) == ["main", "db"], "names are unique"
    sidecar = Container(signer, {"ecs": {"container_name": "sidecar"}})
    task = Container(signer, ecs, known_containers=Others("web", [("db", sidecar.agents.task)])).ecs("/v4/x/task")
    assert names(task) == ["main", "sidecar"]


def documented(signer: Signer, documents: dict[str, Any], **ecs: Any) -> Container:
    return Container(signer, {"ecs": {"documents": documents, **ecs}})


def test_documents_are_merged_wherever_they_appear(signer: Signer) -> None:
    documents = {
        "task": {"TaskTags": {"team": "shop"}, "ServiceName": None, "Limits": {"Memory": 4096}},
        "container": {"Labels": {"own": "label"}, "Ports": [{"ContainerPort": 80, "Protocol": "tcp"}]},
    }
    plain, container = Container(signer), documented(signer, documents)
    before, task = plain.ecs("/v4/x/task"), container.ecs("/v4/x/task")
    assert task["TaskTags"] == {"team": "shop"}
    assert "ServiceName" not in task
    assert task["Limits"] == before["Limits"] | {"Memory": 4096}
    assert task["TaskARN"] == before["TaskARN"]
    (own,) = task["Containers"]
    assert own["Labels"] == before["Containers"][0]["Labels"] | {"own": "label"}
    assert own["Ports"] == [{"ContainerPort": 80, "Protocol": "tcp"}]
    assert container.ecs("/v4/x") == own == container.ecs("/v3/x")
    assert container.ecs("/v2/metadata")["TaskTags"] == {"team": "shop"}
    assert container.ecs("/v2/metadata")["Containers"][0]["Labels"]["own"] == "label"


def test_a_document_is_replaced_added_or_removed_by_its_path(signer: Signer) -> None:
    whole = {"TaskARN": "arn:own", "Containers": []}
    documents = {
        "v4/task": {"$json": json.dumps(whole)},
        "/v4/associations/elastic-inference": {"Associations": ["a"]},
        "v4/stats": None,
        "v2/metadata": {"Family": "old"},
    }
    container = documented(signer, documents)
    assert container.ecs("/v4/x/task") == container.ecs("/v4/task") == whole
    assert container.ecs("/v4/x/associations/elastic-inference") == {"Associations": ["a"]}
    assert container.ask(ECS, "/v4/x/stats").status == 404
    assert container.ecs("/v3/x/stats")["id"]
    assert container.ecs("/v2/metadata")["Family"] == "old"
    assert container.ecs("/v3/x/task")["Family"] == "my-task"
    assert documented(signer, {"container": {"$json": {"Name": "mine"}}}).ecs("/v4/x") == {"Name": "mine"}
    assert documented(signer, {"task": {"$json": '["as it is"]'}}).ecs("/v4/x/task") == ["as it is"]


def test_texts_from_yaml_become_numbers_where_the_original_is_a_number(signer: Signer) -> None:
    documents = read_yaml(
        """
        task: {Limits: {CPU: 2, Memory: 4096}, FaultInjectionEnabled: true, Revision: 12, Family: 012}
        container:
          ExitCode: {$json: 137}
          Ports: {$json: '[{"ContainerPort": 80}]'}
          Labels: {version: 1.10}
        """,
        "mock.yaml",
    )
    task = documented(signer, documents).ecs("/v4/x/task")
    assert task["Limits"] == {"CPU": 2, "Memory": 4096}
    assert (task["FaultInjectionEnabled"], task["Revision"], task["Family"]) == (True, "12", "012")
    (own,) = task["Containers"]
    assert (own["ExitCode"], own["Ports"], own["Labels"]["version"]) == (137, [{"ContainerPort": 80}], "1.10")
    again = documented(signer, documents)
    assert again.ecs("/v4/x/task") == task, "applying an override does not change it"
    assert again.ecs("/v4/x/task") == task


def test_the_example_in_the_docs_works(signer: Signer) -> None:
    page = (DOCS / "credentials.md").read_text()
    (example,) = (
        text for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "documents:" in text
    )
    container = Container(signer, read_yaml(example, "mock.yaml"))
    task = container.ecs("/v4/x/task")
    assert (task["TaskTags"], task["Limits"]) == ({"team": "shop"}, {"CPU": 2, "Memory": 4096})
    assert "ServiceName" not in task
    assert task["Containers"][0]["Ports"] == [{"ContainerPort": 80, "Protocol": "tcp"}]
    assert container.ecs("/v4/x/associations/elastic-inference") == {"Associations": []}
    assert container.ask(ECS, "/v2/stats").status == 404


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        ({"tsk": {}}, "ecs.documents.tsk: unknown document; did you mean task?"),
        ({"a/b": {}}, "ecs.documents.a/b: unknown document; expected one of task, container, v2/metadata,"),
        ({"v4/taks": {}}, "ecs.documents.v4/taks: unknown document; did you mean v4/task?"),
        ({"task": "x"}, "ecs.documents.task: expected a mapping to merge, {$json: ...} for a whole document, or null"),
        ({"task": {"A": {"$json": "{"}}}, "ecs.documents.task.A.$json: expected JSON: "),
        ({"task": {"$json": "{}", "A": 1}}, "ecs.documents.task: expected no other key next to $json"),
    ],
)
def test_invalid_documents_are_refused(documents: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        from_document({"ecs": {"documents": documents}})
    assert sentence in str(raised.value)
    with pytest.raises(ConfigError) as in_variant:
        from_document({"variants": [{"match": {"service": "web"}, "ecs": {"documents": documents}}]})
    assert "variants[0].ecs.documents" in str(in_variant.value)


def test_no_override_changes_nothing() -> None:
    document = {"a": [1, {"b": None}]}
    assert DocumentOverrides({}).apply("task", document) is document
    assert DocumentOverrides({"task": {}}).apply("task", document) == document
