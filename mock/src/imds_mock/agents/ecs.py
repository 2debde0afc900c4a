"""ECS's agent at 169.254.170.2: the task role's credentials, the task metadata endpoint, task protection.

Besides the agent's own `/v2/credentials/<id>` it knows what amazon-ecs-local-container-endpoints offers: `/creds`,
`/role/<name>` and `/role-arn/<arn>`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents import forms
from imds_mock.agents.identity import NoCredentialsError
from imds_mock.agents.task_endpoint import TaskEndpoint
from imds_mock.agents.task_metadata import Task
from imds_mock.agents.task_protection import PATH as PROTECTION
from imds_mock.agents.task_protection import Protections, TaskProtection

if TYPE_CHECKING:
    from imds_mock.agents.identity import Grant, Identity
    from imds_mock.agents.neighbours import Neighbours
    from imds_mock.config.containers import EcsSettings
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response

_PREFIX: Final = "CredentialsV2Request: "
_CREDENTIALS: Final = "/v2/credentials"
_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
_NAME: Final = re.compile(r"[\w+=,.@-]{1,128}")


class EcsAgent:
    """Answers one container.

    Args:
        identity: Who it is.
        settings: What it is told about its task.
        neighbours: The other containers that the mock knows.
        protections: Which tasks are protected from scale-in.

    Attributes:
        task: The task that it belongs to.
    """

    def __init__(
        self, identity: Identity, settings: EcsSettings, neighbours: Neighbours, protections: Protections
    ) -> None:
        self._identity = identity
        self._settings = settings
        self.task = Task(identity.instance, settings)
        self._endpoint = TaskEndpoint(self.task, neighbours)
        self._protection = TaskProtection(self.task, identity, protections)

    def respond(self, request: Request, tree: Tree, caller: str, now: float) -> Response:
        """Answer a request.

        Args:
            request: The request.
            tree: The metadata of the instance that the container has.
            caller: Address of the peer.
            now: Seconds since the epoch.
        """
        first, _, rest = request.path[1:].partition("/")
        if first in {"v3", "v4"} or (first == "v2" and not request.path.startswith(_CREDENTIALS)):
            return self._endpoint.respond(first, rest, caller, now)
        if first == "api" and rest.partition("/")[2] == PROTECTION and not request.trailing_slash:
            return self._protection.respond(request, tree, now)
        try:
            granted = self._granted(request, first, rest, tree, now)
        except NoCredentialsError as error:
            if error.refused:
                return _refused(400, "NoCredentialsAssociated", "No credentials associated with ID")
            return _refused(503, "CredentialsUninitialized", "Credentials uninitialized for ID")
        return granted if granted is not None else forms.not_found()

    def _granted(self, request: Request, first: str, rest: str, tree: Tree, now: float) -> Response | None:
        if request.path.startswith(_CREDENTIALS):
            return self._by_id(request.path[len(_CREDENTIALS) + 1 :], request, tree, now)
        if (first, rest) == ("creds", ""):
            return _shown(self._identity.own(tree, now))
        role_arn = self._role_arn(first, rest)
        if role_arn is None:
            return None
        if role_arn == self._identity.role_arn:
            return _shown(self._identity.own(tree, now))
        return _shown(self._identity.of_role(role_arn, now)) if self._settings.any_role else _unknown_id()

    def _by_id(self, credentials_id: str, request: Request, tree: Tree, now: float) -> Response | None:
        if not credentials_id:
            slash = request.trailing_slash
            return _refused(400, "NoIdInRequest", "No Credential ID in the request") if slash else None
        if self._settings.credentials_id not in {None, credentials_id}:
            return _unknown_id()
        return _shown(self._identity.own(tree, now))

    def _role_arn(self, first: str, rest: str) -> str | None:
        instance = self._identity.instance
        if first == "role-arn" and _ARN.fullmatch(rest):
            return rest
        if first == "role" and _NAME.fullmatch(rest):
            own = self._identity.role_arn if rest == self._identity.role else None
            return own or f"arn:{instance.partition.name}:iam::{instance.account_id}:role/{rest}"
        return None


def _shown(grant: Grant | None) -> Response:
    if grant is None:
        return _unknown_id()
    held = grant.document
    shown: dict[str, Any] = {"RoleArn": grant.role_arn}
    return forms.as_json(shown | {key: held[key] for key in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")})


def _unknown_id() -> Response:
    return _refused(400, "InvalidIdInRequest", "Credentials not found")


def _refused(status: int, code: str, message: str) -> Response:
    return forms.as_json({"code": code, "message": _PREFIX + message, "HTTPErrorCode": status}, status)
