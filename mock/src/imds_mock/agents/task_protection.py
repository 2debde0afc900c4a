"""Task scale-in protection: the agent's endpoint, with the results of ECS GetTaskProtection and UpdateTaskProtection.

Sources: aws/amazon-ecs-agent (`ecs-agent/tmds/handlers/taskprotection`); ECS Developer Guide, "Task scale-in protection
endpoint" (1 to 2880 minutes, 120 by default; only tasks of a service can be protected). The body is parsed as in Go:
one JSON value, case-insensitive field names, no unknown fields.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents.container_role import NoCredentialsError
from imds_mock.agents.responses import json_response, method_not_allowed
from imds_mock.metadata.documents import iso8601
from imds_mock.metadata.unique_ids import uuid

if TYPE_CHECKING:
    from imds_mock.agents.container_role import ContainerRole
    from imds_mock.agents.task_metadata import Task
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response

PATH: Final = "task-protection/v1/state"
"""Path of the endpoint below `/api/ID/`."""
_FIELDS: Final = {"protectionenabled": bool, "expiresinminutes": int}
_DEFAULT_MINUTES: Final = 120
_MAX_MINUTES: Final = 2880
_MAX_TASKS: Final = 4096
_INVALID: Final = "InvalidParameterException"


class ProtectedTasks:
    """The tasks protected from scale-in; kept when the configuration changes."""

    def __init__(self) -> None:
        self._expiries: dict[str, float] = {}

    def expiry(self, task_arn: str, now: float) -> float | None:
        """When a task's protection ends, in seconds since the epoch; None if it is not protected.

        Args:
            task_arn: ARN of the task.
            now: Seconds since the epoch.
        """
        expiry = self._expiries.get(task_arn, 0.0)
        return expiry if expiry > now else None

    def protect(self, task_arn: str, expiry: float) -> None:
        """Protect a task, or end its protection.

        Args:
            task_arn: ARN of the task.
            expiry: When the protection ends, in seconds since the epoch; a time in the past ends it at once.
        """
        self._expiries.pop(task_arn, None)
        if len(self._expiries) >= _MAX_TASKS:
            del self._expiries[next(iter(self._expiries))]
        self._expiries[task_arn] = expiry

    def clear(self) -> None:
        """End all protections."""
        self._expiries.clear()


class TaskProtection:
    """The task protection endpoint of one container.

    Args:
        task: The container's task.
        role: The role with whose credentials the agent would call ECS.
        protected_tasks: Tasks protected from scale-in.
    """

    def __init__(self, task: Task, role: ContainerRole, protected_tasks: ProtectedTasks) -> None:
        self._task = task
        self._role = role
        self._protected_tasks = protected_tasks

    def respond(self, request: Request, tree: Tree, now: float) -> Response:
        """The response to a request; see `ContainerAgents.respond`."""
        if request.method not in {"GET", "PUT"}:
            return method_not_allowed()
        update: dict[str, Any] = {}
        if request.method == "PUT":
            fields = _parse(request.body)
            if fields is None:
                return _error(400, _INVALID, "UpdateTaskProtection: failed to decode request")
            if fields.get("protectionenabled") is None:
                message = "Invalid request: does not contain 'ProtectionEnabled' field"
                return _error(400, _INVALID, message, self._task.arn)
            update = fields
        if not self._has_credentials(tree, now):
            message = "Invalid Request: no task IAM role credentials available for task"
            return _error(403, "AccessDeniedException", message, self._task.arn)
        return self._apply(update, now)

    def _has_credentials(self, tree: Tree, now: float) -> bool:
        try:
            return self._role.credentials(tree, now) is not None
        except NoCredentialsError:
            return False

    def _apply(self, update: dict[str, Any], now: float) -> Response:
        """The response of the ECS service to an update, or to a query if there is none."""
        arn = self._task.arn
        minutes = update.get("expiresinminutes")
        if minutes is None or not update["protectionenabled"]:
            minutes = _DEFAULT_MINUTES
        if not 1 <= minutes <= _MAX_MINUTES:
            message = f"expiresInMinutes must be between 1 and {_MAX_MINUTES}."
            return _error(400, _INVALID, message, arn, uuid("request", arn, repr(now)))
        if self._task.settings.service is None:
            return json_response({"failure": {"Arn": arn, "Detail": None, "Reason": "TASK_NOT_VALID"}})
        if update:
            self._protected_tasks.protect(arn, now + minutes * 60 if update["protectionenabled"] else now)
        expiry = self._protected_tasks.expiry(arn, now)
        protection = {
            "ExpirationDate": None if expiry is None else _milliseconds(expiry),
            "ProtectionEnabled": expiry is not None,
            "TaskArn": arn,
        }
        return json_response({"protection": protection})


def _parse(body: bytes) -> dict[str, Any] | None:
    """The fields by their names in lower case; None if Go rejects the body."""
    try:
        document, _ = json.JSONDecoder().raw_decode(body.decode(errors="replace").lstrip(" \t\r\n"))
    except (ValueError, RecursionError):
        return None
    if document is None:
        return {}
    if not isinstance(document, dict):
        return None
    fields = {name.lower(): value for name, value in document.items()}
    for name, value in fields.items():
        if name not in _FIELDS or (value is not None and type(value) is not _FIELDS[name]):
            return None
    return fields


def _error(status: int, code: str, message: str, arn: str = "", request_id: str | None = None) -> Response:
    document: dict[str, Any] = {} if request_id is None else {"requestID": request_id}
    document["error"] = ({"Arn": arn} if arn else {}) | {"Code": code, "Message": message}
    return json_response(document, status)


def _milliseconds(time: float) -> str:
    """RFC 3339 with milliseconds but without trailing zeros, as in Go."""
    milliseconds = int(time * 1000)
    fraction = f".{milliseconds % 1000:03}".rstrip("0").rstrip(".")
    return f"{iso8601(milliseconds // 1000)[:-1]}{fraction}Z"
