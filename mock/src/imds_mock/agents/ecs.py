"""The ECS agent at 169.254.170.2: credentials of the task role, task metadata and task protection.

In addition to the agent's own `/v2/credentials/<id>`, it serves the paths of amazon-ecs-local-container-endpoints:
`/creds`, `/role/<name>` and `/role-arn/<arn>`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents.container_role import NoCredentialsError
from imds_mock.agents.responses import json_response, not_found
from imds_mock.agents.task_endpoint import TaskEndpoint
from imds_mock.agents.task_metadata import Task
from imds_mock.agents.task_protection import PATH as PROTECTION
from imds_mock.agents.task_protection import ProtectedTasks, TaskProtection

if TYPE_CHECKING:
    from imds_mock.agents.container_role import ContainerCredentials, ContainerRole
    from imds_mock.agents.task_endpoint import KnownContainers
    from imds_mock.config.containers import EcsSettings
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response

_PREFIX: Final = "CredentialsV2Request: "
_CREDENTIALS: Final = "/v2/credentials"
_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
_NAME: Final = re.compile(r"[\w+=,.@-]{1,128}")


class EcsAgent:
    """The ECS agent of one container.

    Args:
        role: The container's role.
        settings: Settings of the task.
        containers: The containers that the mock knows.
        protected_tasks: Tasks protected from scale-in.

    Attributes:
        task: The container's task.
    """

    def __init__(
        self, role: ContainerRole, settings: EcsSettings, containers: KnownContainers, protected_tasks: ProtectedTasks
    ) -> None:
        self._role = role
        self._settings = settings
        self.task = Task(role.instance, settings)
        self._endpoint = TaskEndpoint(self.task, containers)
        self._protection = TaskProtection(self.task, role, protected_tasks)

    def respond(self, request: Request, tree: Tree, caller: str, now: float) -> Response:
        """The response to a request; see `ContainerAgents.respond`."""
        first, _, rest = request.path[1:].partition("/")
        if first in {"v3", "v4"} or (first == "v2" and not request.path.startswith(_CREDENTIALS)):
            return self._endpoint.respond(first, rest, caller, now)
        if first == "api" and rest.partition("/")[2] == PROTECTION and not request.trailing_slash:
            return self._protection.respond(request, tree, now)
        try:
            response = self._credentials(request, first, rest, tree, now)
        except NoCredentialsError as error:
            if error.is_refused:
                return _error(400, "NoCredentialsAssociated", "No credentials associated with ID")
            return _error(503, "CredentialsUninitialized", "Credentials uninitialized for ID")
        return response or not_found()

    def _credentials(self, request: Request, first: str, rest: str, tree: Tree, now: float) -> Response | None:
        if request.path.startswith(_CREDENTIALS):
            return self._by_id(request.path[len(_CREDENTIALS) + 1 :], request, tree, now)
        if (first, rest) == ("creds", ""):
            return _document(self._role.credentials(tree, now))
        role_arn = self._role_arn(first, rest)
        if role_arn is None:
            return None
        if role_arn == self._role.arn:
            return _document(self._role.credentials(tree, now))
        return _document(self._role.credentials_of(role_arn, now)) if self._settings.any_role else _unknown_id()

    def _by_id(self, credentials_id: str, request: Request, tree: Tree, now: float) -> Response | None:
        if not credentials_id:
            slash = request.trailing_slash
            return _error(400, "NoIdInRequest", "No Credential ID in the request") if slash else None
        if self._settings.credentials_id not in {None, credentials_id}:
            return _unknown_id()
        return _document(self._role.credentials(tree, now))

    def _role_arn(self, first: str, rest: str) -> str | None:
        instance = self._role.instance
        if first == "role-arn" and _ARN.fullmatch(rest):
            return rest
        if first == "role" and _NAME.fullmatch(rest):
            own = self._role.arn if rest == self._role.name else None
            return own or f"arn:{instance.partition.name}:iam::{instance.account_id}:role/{rest}"
        return None


def _document(credentials: ContainerCredentials | None) -> Response:
    if credentials is None:
        return _unknown_id()
    source = credentials.document
    document: dict[str, Any] = {"RoleArn": credentials.role_arn}
    return json_response(
        document | {key: source[key] for key in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")}
    )


def _unknown_id() -> Response:
    return _error(400, "InvalidIdInRequest", "Credentials not found")


def _error(status: int, code: str, message: str) -> Response:
    return json_response({"code": code, "message": _PREFIX + message, "HTTPErrorCode": status}, status)
