"""ECS task protection: the agent's bodies and errors, and those of the ECS service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.agents.task_protection import ProtectedTasks
from imds_mock.service.messages import ECS
from support.agents import Container
from support.metadata import STARTED

if TYPE_CHECKING:
    from imds_mock.service.messages import Response
    from imds_mock.signing.signer import Signer

STATE = "/api/5c2b4f3e/task-protection/v1/state"
INVALID = "InvalidParameterException"


class Task(Container):
    """A container that protects its task."""

    @property
    def arn(self) -> str:
        arn: str = self.ecs("/v4/x/task")["TaskARN"]
        return arn

    def put(self, body: str, now: float = STARTED) -> Response:
        return self.ask(ECS, STATE, now, "PUT", body=body.encode())

    def protection(self, now: float = STARTED) -> Any:
        answer = self.ask(ECS, STATE, now)
        assert answer.status == 200
        return json.loads(answer.body)["protection"]


def test_a_task_is_protected_for_a_time(signer: Signer) -> None:
    task = Task(signer)
    off = {"ExpirationDate": None, "ProtectionEnabled": False, "TaskArn": task.arn}
    assert task.protection() == off
    answer = task.put('{"ProtectionEnabled":true,"ExpiresInMinutes":60}', STARTED)
    assert answer.head.leading == (("Content-Type", "application/json"),)
    on = {"ExpirationDate": "2025-06-15T16:06:40.25Z", "ProtectionEnabled": True, "TaskArn": task.arn}
    assert (answer.status, json.loads(answer.body)) == (200, {"protection": on})
    assert answer.body.startswith(b'{"protection":{"ExpirationDate":"2025-06-15T16:06:40.25Z",')
    assert task.protection(STARTED + 3599) == on
    assert task.protection(STARTED + 3600) == off
    assert json.loads(task.put('{"ProtectionEnabled":true}').body)["protection"]["ExpirationDate"] == (
        "2025-06-15T17:06:40.25Z"
    ), "two hours"
    assert json.loads(task.put('{"ProtectionEnabled":false,"ExpiresInMinutes":0}').body) == {"protection": off}
    assert task.protection() == off


@pytest.mark.parametrize(
    "body",
    [
        '{"protectionEnabled": true, "EXPIRESINMINUTES": null}',
        '{"ProtectionEnabled":true} and more',
        ' \n{"ProtectionEnabled":true}',
    ],
)
def test_a_body_is_parsed_as_in_go(signer: Signer, body: str) -> None:
    task = Task(signer)
    assert task.put(body).status == 200
    assert task.protection()["ProtectionEnabled"] is True


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '"x"',
        "true",
        '{"ProtectionEnabled":"true"}',
        '{"ProtectionEnabled":1}',
        '{"ProtectionEnabled":true,"ExpiresInMinutes":"60"}',
        '{"ProtectionEnabled":true,"ExpiresInMinutes":1.5}',
        '{"ProtectionEnabled":true,"ExpiresInMinutes":true}',
        '{"ProtectionEnabled":true,"Minutes":1}',
        "[" * 5000,
    ],
)
def test_a_body_that_cannot_be_decoded(signer: Signer, body: str) -> None:
    task = Task(signer)
    answer = task.put(body)
    error = {"Code": INVALID, "Message": "UpdateTaskProtection: failed to decode request"}
    assert (answer.status, json.loads(answer.body)) == (400, {"error": error})
    assert task.protection()["ProtectionEnabled"] is False


@pytest.mark.parametrize("body", ["{}", "null", '{"ProtectionEnabled":null}', '{"ExpiresInMinutes":5}'])
def test_a_body_without_the_required_field(signer: Signer, body: str) -> None:
    task = Task(signer)
    answer = task.put(body)
    message = "Invalid request: does not contain 'ProtectionEnabled' field"
    assert (answer.status, json.loads(answer.body)) == (
        400, {"error": {"Arn": task.arn, "Code": INVALID, "Message": message}},
    )  # fmt: skip


@pytest.mark.parametrize("minutes", [0, -5, 2881, 10**12])
def test_invalid_minutes(signer: Signer, minutes: int) -> None:
    task = Task(signer)
    answer = task.put(json.dumps({"ProtectionEnabled": True, "ExpiresInMinutes": minutes}))
    document = json.loads(answer.body)
    assert answer.status == 400
    assert list(document) == ["requestID", "error"]
    assert (document["error"]["Arn"], document["error"]["Code"]) == (task.arn, INVALID)
    assert json.loads(task.put('{"ProtectionEnabled":true,"ExpiresInMinutes":2880}').body)["protection"]


def test_a_task_without_a_service_cannot_be_protected(signer: Signer) -> None:
    task = Task(signer, {"ecs": {"service": None}})
    failure = {"failure": {"Arn": task.arn, "Detail": None, "Reason": "TASK_NOT_VALID"}}
    for answer in (task.ask(ECS, STATE), task.put('{"ProtectionEnabled":true}')):
        assert (answer.status, json.loads(answer.body)) == (200, failure)


@pytest.mark.parametrize("where", [{"instance": {"role": None}}, {"credentials": {"source": "assume-role"}}])
def test_without_credentials_the_agent_refuses(signer: Signer, where: dict[str, Any]) -> None:
    task = Task(signer, where)
    message = "Invalid Request: no task IAM role credentials available for task"
    error = {"error": {"Arn": task.arn, "Code": "AccessDeniedException", "Message": message}}
    for answer in (task.ask(ECS, STATE), task.put('{"ProtectionEnabled":true}')):
        assert (answer.status, json.loads(answer.body)) == (403, error)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", STATE, 405),
        ("DELETE", STATE, 405),
        ("HEAD", STATE, 405),
        ("GET", f"{STATE}/", 404),
        ("GET", "/api/task-protection/v1/state", 404),
        ("GET", "/api/x/task-protection/v2/state", 404),
    ],
)
def test_other_methods_and_paths(signer: Signer, method: str, path: str, status: int) -> None:
    answer = Task(signer).ask(ECS, path, method=method)
    assert answer.status == status
    if status == 405:
        assert answer.head.status_line == b"HTTP/1.1 405 Method Not Allowed\r\n"


def test_protections_are_per_task_and_bounded() -> None:
    protected_tasks = ProtectedTasks()
    for number in range(5000):
        protected_tasks.protect(f"task-{number}", STARTED + 60)
    assert [protected_tasks.expiry(f"task-{number}", STARTED) for number in (0, 4999)] == [None, STARTED + 60]
    protected_tasks.clear()
    assert protected_tasks.expiry("task-4999", STARTED) is None
