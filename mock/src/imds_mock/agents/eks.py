"""EKS's Pod Identity agent at 169.254.170.23: the role's credentials for a pod that shows its token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from imds_mock.agents import forms
from imds_mock.agents.identity import NoCredentialsError
from imds_mock.errors import MockError
from imds_mock.metadata.unique_ids import uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.agents.identity import Grant, Identity
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
    """Answers one pod.

    Args:
        identity: Who it is.
        token: Gives the only token that is taken; None takes any. A MockError when it cannot be had.
    """

    def __init__(self, identity: Identity, token: Callable[[], str | None]) -> None:
        self._identity = identity
        self._token = token

    def respond(self, request: Request, tree: Tree, now: float) -> Response:
        """Answer a request.

        Args:
            request: The request.
            tree: The metadata of the instance that the pod has.
            now: Seconds since the epoch.
        """
        if request.path != _PATH or request.trailing_slash:
            return forms.not_found()
        shown = request.headers.get("authorization", "")
        if not shown:
            return forms.as_text("Service account token cannot be empty", 400)
        try:
            wanted = self._token()
        except MockError:
            return _failed(*_UNAVAILABLE, now)  # it may be there in a moment
        if wanted is not None and not hmac.compare_digest(shown.encode(), wanted.encode()):
            return _failed(400, "InvalidTokenException", "The token included in the request is invalid.", now)
        try:
            grant = self._identity.own(tree, now)
        except NoCredentialsError as error:
            return _failed(*(_DENIED if error.refused else _UNAVAILABLE), now)
        return _failed(*_NO_ASSOCIATION, now) if grant is None else _shown(grant)


def _shown(grant: Grant) -> Response:
    held = grant.document
    return forms.as_json(
        {
            "AccessKeyId": held["AccessKeyId"],
            "SecretAccessKey": held["SecretAccessKey"],
            "Token": held["Token"],
            "AccountId": grant.role_arn.split(":")[4],
            "Expiration": held["Expiration"],
        }
    )


def _failed(status: int, code: str, sentence: str, now: float) -> Response:
    """As the agent passes on what EKS's service says."""
    request_id = uuid("request", repr(now))
    fault = "server" if status >= 500 else "client"  # noqa: PLR2004 - the status classes of HTTP
    return forms.as_text(f"[{request_id}]: ({code}): {sentence}, fault: {fault}", status)
