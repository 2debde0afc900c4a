"""Task scale-in protection: the agent's endpoint, and what ECS's GetTaskProtection and UpdateTaskProtection say to it.

Sources: aws/amazon-ecs-agent (`ecs-agent/tmds/handlers/taskprotection`); ECS Developer Guide, "Task scale-in protection
endpoint" (1 to 2880 minutes, 120 by default; only tasks of a service can be protected). The body is read as Go reads
it: one JSON value, the names of fields in any case, no unknown field.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents import forms
from imds_mock.agents.identity import NoCredentialsError
from imds_mock.metadata.documents import iso8601
from imds_mock.metadata.unique_ids import uuid

if TYPE_CHECKING:
    from imds_mock.agents.identity import Identity
    from imds_mock.agents.task_metadata import Task
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response

PATH: Final = "task-protection/v1/state"
"""What follows `/api/ID/`."""
_FIELDS: Final = {"protectionenabled": bool, "expiresinminutes": int}
_DEFAULT_MINUTES: Final = 120
_MAX_MINUTES: Final = 2880
_MAX_TASKS: Final = 4096
_INVALID: Final = "InvalidParameterException"


class Protections:
    """Which tasks are protected; outlives a change of the configuration."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def until(self, task_arn: str, now: float) -> float | None:
        """When the protection of a task ends, in seconds since the epoch; None if it is not protected.

        Args:
            task_arn: The task.
            now: Seconds since the epoch.
        """
        until = self._until.get(task_arn, 0.0)
        return until if until > now else None

    def protect(self, task_arn: str, until: float) -> None:
        """Protect a task.

        Args:
            task_arn: The task.
            until: When its protection ends, in seconds since the epoch; a time that has passed ends it at once.
        """
        self._until.pop(task_arn, None)
        if len(self._until) >= _MAX_TASKS:
            del self._until[next(iter(self._until))]
        self._until[task_arn] = until

    def clear(self) -> None:
        """End all protections."""
        self._until.clear()


class TaskProtection:
    """Answers one container.

    Args:
        task: The task that it belongs to.
        identity: Whose credentials the agent would call ECS with.
        protections: Which tasks are protected.
    """

    def __init__(self, task: Task, identity: Identity, protections: Protections) -> None:
        self._task = task
        self._identity = identity
        self._protections = protections

    def respond(self, request: Request, tree: Tree, now: float) -> Response:
        """Answer a request for the endpoint.

        Args:
            request: The request, with its body.
            tree: The metadata of the instance that the container has.
            now: Seconds since the epoch.
        """
        if request.method not in {"GET", "PUT"}:
            return forms.method_not_allowed()
        asked: dict[str, Any] = {}
        if request.method == "PUT":
            fields = _decoded(request.body)
            if fields is None:
                return _failed(400, _INVALID, "UpdateTaskProtection: failed to decode request")
            if fields.get("protectionenabled") is None:
                sentence = "Invalid request: does not contain 'ProtectionEnabled' field"
                return _failed(400, _INVALID, sentence, self._task.arn)
            asked = fields
        if not self._has_credentials(tree, now):
            sentence = "Invalid Request: no task IAM role credentials available for task"
            return _failed(403, "AccessDeniedException", sentence, self._task.arn)
        return self._as_ecs_answers(asked, now)

    def _has_credentials(self, tree: Tree, now: float) -> bool:
        try:
            return self._identity.own(tree, now) is not None
        except NoCredentialsError:
            return False

    def _as_ecs_answers(self, asked: dict[str, Any], now: float) -> Response:
        arn = self._task.arn
        minutes = asked.get("expiresinminutes")
        if minutes is None or not asked["protectionenabled"]:
            minutes = _DEFAULT_MINUTES
        if not 1 <= minutes <= _MAX_MINUTES:
            sentence = f"expiresInMinutes must be between 1 and {_MAX_MINUTES}."
            return _failed(400, _INVALID, sentence, arn, uuid("request", arn, repr(now)))
        if self._task.settings.service is None:
            return forms.as_json({"failure": {"Arn": arn, "Detail": None, "Reason": "TASK_NOT_VALID"}})
        if asked:
            self._protections.protect(arn, now + minutes * 60 if asked["protectionenabled"] else now)
        until = self._protections.until(arn, now)
        protection = {
            "ExpirationDate": None if until is None else _precise(until),
            "ProtectionEnabled": until is not None,
            "TaskArn": arn,
        }
        return forms.as_json({"protection": protection})


def _decoded(body: bytes) -> dict[str, Any] | None:
    """The fields by their names in lower case; None if Go would not take the body."""
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


def _failed(status: int, code: str, message: str, arn: str = "", request_id: str | None = None) -> Response:
    document: dict[str, Any] = {} if request_id is None else {"requestID": request_id}
    document["error"] = ({"Arn": arn} if arn else {}) | {"Code": code, "Message": message}
    return forms.as_json(document, status)


def _precise(moment: float) -> str:
    """RFC 3339 with as many digits of milliseconds as there are, as Go writes it."""
    milliseconds = int(moment * 1000)
    fraction = f".{milliseconds % 1000:03}".rstrip("0").rstrip(".")
    return f"{iso8601(milliseconds // 1000)[:-1]}{fraction}Z"
