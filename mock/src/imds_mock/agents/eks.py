"""The EKS Pod Identity agent at 169.254.170.23: role credentials for a pod that sends its token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from imds_mock.agents.container_role import NoCredentialsError
from imds_mock.agents.responses import json_response, not_found, text_response
from imds_mock.errors import MockError
from imds_mock.metadata.unique_ids import uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.agents.container_role import ContainerCredentials, ContainerRole
    from imds_mock.metadata.tree import Tree
    from imds_mock.service.messages import Request, Response

_PATH: Final = "/v1/credentials"
_DENIED: Final = (
    400,
    "AccessDeniedException",
    "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
)
_UNAVAILABLE: Final = (503, "ServiceUnavailableException", "The service is unavailable. Back-off and retry.")
_NO_ASSOCIATION: Final = (404, "ResourceNotFoundException", "No association found for the service account.")


class EksAgent:
    """The EKS Pod Identity agent of one pod.

    Args:
        role: The pod's role.
        token: Gives the only accepted token; None if any is accepted. Raises a MockError if the token cannot be read.
    """

    def __init__(self, role: ContainerRole, token: Callable[[], str | None]) -> None:
        self._role = role
        self._token = token

    def respond(self, request: Request, tree: Tree, now: float) -> Response:
        """The response to a request; see `ContainerAgents.respond`."""
        if request.path != _PATH or request.trailing_slash:
            return not_found()
        token = request.headers.get("authorization", "")
        if not token:
            return text_response("Service account token cannot be empty", 400)
        try:
            expected = self._token()
        except MockError:
            return _error(*_UNAVAILABLE, now)  # the file may be readable later
        if expected is not None and not hmac.compare_digest(token.encode(), expected.encode()):
            return _error(400, "InvalidTokenException", "The token included in the request is invalid.", now)
        try:
            credentials = self._role.credentials(tree, now)
        except NoCredentialsError as error:
            return _error(*(_DENIED if error.is_refused else _UNAVAILABLE), now)
        return _error(*_NO_ASSOCIATION, now) if credentials is None else _document(credentials)


def _document(credentials: ContainerCredentials) -> Response:
    source = credentials.document
    return json_response(
        {
            "AccessKeyId": source["AccessKeyId"],
            "SecretAccessKey": source["SecretAccessKey"],
            "Token": source["Token"],
            "AccountId": credentials.role_arn.split(":")[4],
            "Expiration": source["Expiration"],
        }
    )


def _error(status: int, code: str, message: str, now: float) -> Response:
    """An error of the EKS service in the agent's format."""
    request_id = uuid("request", repr(now))
    fault = "server" if status >= 500 else "client"  # noqa: PLR2004 - the status classes of HTTP
    return text_response(f"[{request_id}]: ({code}): {message}, fault: {fault}", status)
