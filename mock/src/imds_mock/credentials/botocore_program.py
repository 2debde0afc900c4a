"""The program that fetches credentials with botocore, from the same places as any AWS client.

It reads requests from standard input and writes each result to standard output as one line, as soon as it is known. It
never asks an instance metadata service or a container endpoint: that would be the mock itself, or the mock's own host.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import botocore.session
import msgspec
from botocore.config import Config

from imds_mock.credentials.botocore_errors import explain
from imds_mock.credentials.fetching import FetchResult
from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials, FetchError
from imds_mock.errors import in_pod

_THREADS: Final = 8
_MIN_SECRET_CHARACTERS: Final = 12
# The refresher retries.
_CLIENT: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1, "mode": "standard"})
_HOST_PROVIDERS: Final = ("iam-role", "container-role")
_FILES: Final = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))


class SessionCache:
    """Sessions shared by requests that differ only in the role, because a client takes 0.1 s to create."""

    def __init__(self) -> None:
        self._sessions: dict[CredentialRequest, _Session] = {}
        self._lock = threading.Lock()

    def get(self, request: CredentialRequest) -> _Session:
        """The session of a request; raises botocore's errors."""
        key = msgspec.structs.replace(request, role_arn=None, session_name="", external_id=None, instance_id="")
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = _Session(request)
            return self._sessions[key]


class _Session:
    def __init__(self, request: CredentialRequest) -> None:
        self._session = _botocore_session(request)
        self._lock = threading.Lock()
        self._sts: Any = None
        self.credentials = self._session.get_credentials()
        self.frozen: Any = None if self.credentials is None else self.credentials.get_frozen_credentials()

    def sts(self, request: CredentialRequest) -> Any:
        with self._lock:
            if self._sts is None:
                self._sts = self._session.create_client(
                    "sts", region_name=request.region, endpoint_url=request.endpoint_url
                )
            return self._sts


def fetch(request: CredentialRequest, sessions: SessionCache) -> FetchedCredentials:
    """Fetch credentials.

    Args:
        request: The credentials to fetch.
        sessions: Sessions of earlier requests.

    Raises:
        FetchError: They cannot be fetched.
    """
    secrets = [request.secret_access_key, request.session_token, request.external_id]
    try:
        _require_readable_files()
        session = sessions.get(request)
        if session.frozen is not None:
            secrets += [session.frozen.secret_key, session.frozen.token]
            return _assume_role(session, request) if request.role_arn else _profile_credentials(session, request)
    except FetchError:
        raise
    except Exception as error:
        problem, message = explain(error, request)
        raise FetchError(problem, _masked(message, secrets)) from error
    place = f"in the profile {request.profile}" if request.profile else "in variables or files"
    advice = "mount your ~/.aws into the mock's container, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY there"
    raise FetchError("other", f"no credentials {place}; {advice}")


def _botocore_session(request: CredentialRequest) -> Any:
    session = botocore.session.Session(profile=request.profile)
    session.set_default_client_config(_CLIENT)
    if session.get_config_variable("region") is None:
        session.set_config_variable("region", request.region)
    resolver = session.get_component("credential_provider")
    for name in _HOST_PROVIDERS:
        resolver.remove(name)
    if request.access_key_id is not None:
        session.set_credentials(request.access_key_id, request.secret_access_key, request.session_token)
    return session


def _assume_role(session: _Session, request: CredentialRequest) -> FetchedCredentials:
    parameters = {
        "RoleArn": request.role_arn,
        "RoleSessionName": request.session_name,
        "DurationSeconds": request.duration_seconds,
    }
    if request.external_id is not None:
        parameters["ExternalId"] = request.external_id
    return _issued(session.sts(request).assume_role(**parameters))


def _profile_credentials(session: _Session, request: CredentialRequest) -> FetchedCredentials:
    frozen = session.frozen
    if not frozen.token:
        # Instance credentials always expire, and a long-lived key must not leave the mock.
        return _issued(session.sts(request).get_session_token(DurationSeconds=request.duration_seconds))
    # botocore has no public attribute for the expiration time.
    expiration = getattr(session.credentials, "_expiry_time", None)
    return FetchedCredentials(
        frozen.access_key, frozen.secret_key, frozen.token, None if expiration is None else expiration.timestamp()
    )


def _issued(response: Any) -> FetchedCredentials:
    issued = response["Credentials"]
    return FetchedCredentials(
        issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"], issued["Expiration"].timestamp()
    )


def _require_readable_files() -> None:
    """Check that the mock may read the AWS files, because botocore ignores unreadable ones.

    Raises:
        FetchError: A file or its folder is unreadable.
    """
    for variable, default in _FILES:
        file = Path(os.environ.get(variable) or default).expanduser()
        for path, mode in ((file.parent, os.X_OK), (file, os.R_OK)):
            if path.exists() and not os.access(path, mode):
                owner = path.stat().st_uid
                where = f"in the Pod: `runAsUser: {owner}`" if in_pod() else f"in Compose: `user: '{owner}'`"
                raise FetchError(
                    "other",
                    f"{path} cannot be read by the mock's user ({os.geteuid()}); run the mock as the owner of the "
                    f"files ({where})",
                )


def _masked(message: str, secrets: list[str | None]) -> str:
    for secret in secrets:
        # AWS secrets are longer; a shorter value may be part of an ordinary word.
        if secret and len(secret) >= _MIN_SECRET_CHARACTERS:
            message = message.replace(secret, "********")
    return message


def main() -> int:
    """Read requests, write results."""
    requests = msgspec.json.decode(sys.stdin.buffer.read(), type=list[CredentialRequest])
    lock, sessions = threading.Lock(), SessionCache()

    def handle(index: int) -> None:
        try:
            result = FetchResult(index, fetch(requests[index], sessions))
        except FetchError as error:
            result = FetchResult(index, None, error.problem, str(error))
        with lock:
            sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
            sys.stdout.buffer.flush()

    with ThreadPoolExecutor(_THREADS) as workers:
        tuple(workers.map(handle, range(len(requests))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
