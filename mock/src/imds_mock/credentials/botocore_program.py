"""The program that fetches credentials: botocore looks for them as for any AWS client, but never on this host.

Orders come in on standard input, outcomes go out on standard output, one line each, as they become known. Instance
metadata and the container endpoints are no source: that would be the mock itself, or the host that it runs on.
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

from imds_mock.credentials.botocore_errors import explained
from imds_mock.credentials.fetching import Outcome
from imds_mock.credentials.requests import CredentialRequest, Fetched, FetchError

_AT_ONCE: Final = 8
_SECRET_CHARACTERS: Final = 12
# Trying again is the mock's business.
_CLIENT: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1, "mode": "standard"})
_OF_THIS_HOST: Final = ("iam-role", "container-role")
_FILES: Final = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))


class Bases:
    """What STS is called with; orders that differ in the role alone share it: a client takes a tenth of a second."""

    def __init__(self) -> None:
        self._known: dict[CredentialRequest, _Base] = {}
        self._lock = threading.Lock()

    def of(self, order: CredentialRequest) -> _Base:
        """The base of an order; raises whatever botocore raises."""
        key = msgspec.structs.replace(order, role_arn=None, session_name="", external_id=None, instance_id="")
        with self._lock:
            if key not in self._known:
                self._known[key] = _Base(_session(order))
            return self._known[key]


class _Base:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._sts: Any = None
        self.found = session.get_credentials()
        self.frozen: Any = None if self.found is None else self.found.get_frozen_credentials()

    def sts(self, order: CredentialRequest) -> Any:
        with self._lock:
            if self._sts is None:
                self._sts = self._session.create_client(
                    "sts", region_name=order.region, endpoint_url=order.endpoint_url
                )
            return self._sts


def fetch(order: CredentialRequest, bases: Bases) -> Fetched:
    """Fetch what is ordered.

    Args:
        order: Which credentials.
        bases: What STS is called with.

    Raises:
        FetchError: They cannot be had.
    """
    secrets = [order.secret_access_key, order.session_token, order.external_id]
    try:
        _require_readable_files()
        base = bases.of(order)
        if base.frozen is not None:
            secrets += [base.frozen.secret_key, base.frozen.token]
            return _of_role(base, order) if order.role_arn else _of_profile(base, order)
    except FetchError:
        raise
    except Exception as error:
        problem, sentence = explained(error, order)
        raise FetchError(problem, _without(sentence, secrets)) from error
    where = f"the profile {order.profile} has none" if order.profile else "no variable and no file has any"
    what_to_do = "mount your ~/.aws into the mock's container, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY there"
    raise FetchError("other", f"{where}; {what_to_do}")


def _session(order: CredentialRequest) -> Any:
    session = botocore.session.Session(profile=order.profile)
    session.set_default_client_config(_CLIENT)
    if session.get_config_variable("region") is None:
        session.set_config_variable("region", order.region)
    resolver = session.get_component("credential_provider")
    for name in _OF_THIS_HOST:
        resolver.remove(name)
    if order.access_key_id is not None:
        session.set_credentials(order.access_key_id, order.secret_access_key, order.session_token)
    return session


def _of_role(base: _Base, order: CredentialRequest) -> Fetched:
    wanted = {
        "RoleArn": order.role_arn,
        "RoleSessionName": order.session_name,
        "DurationSeconds": order.duration_seconds,
    }
    if order.external_id is not None:
        wanted["ExternalId"] = order.external_id
    return _issued(base.sts(order).assume_role(**wanted))


def _of_profile(base: _Base, order: CredentialRequest) -> Fetched:
    frozen = base.frozen
    if not frozen.token:
        # Instance credentials always end; and a key that does not end never leaves the mock.
        return _issued(base.sts(order).get_session_token(DurationSeconds=order.duration_seconds))
    # Who made them knows their end, and has no better name for it.
    end = getattr(base.found, "_expiry_time", None)
    return Fetched(frozen.access_key, frozen.secret_key, frozen.token, None if end is None else end.timestamp())


def _issued(answer: Any) -> Fetched:
    given = answer["Credentials"]
    return Fetched(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"].timestamp()
    )


def _require_readable_files() -> None:
    """A file that cannot be read counts as absent for the library, and would be looked for in vain.

    Raises:
        FetchError: There is one.
    """
    for variable, usual in _FILES:
        path = Path(os.environ.get(variable) or usual).expanduser()
        for barrier, mode in ((path.parent, os.X_OK), (path, os.R_OK)):
            if barrier.exists() and not os.access(barrier, mode):
                raise FetchError(
                    "other",
                    f"{barrier} cannot be read by the user that the mock runs as ({os.geteuid()}); run it as the "
                    f"files' owner (in compose: `user: '{barrier.stat().st_uid}'`)",
                )


def _without(sentence: str, secrets: list[str | None]) -> str:
    for secret in secrets:
        # What is shorter is no secret of AWS's, and may be part of any word.
        if secret and len(secret) >= _SECRET_CHARACTERS:
            sentence = sentence.replace(secret, "********")
    return sentence


def main() -> int:
    """Read orders, write outcomes."""
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=list[CredentialRequest])
    lock, bases = threading.Lock(), Bases()

    def fulfil(place: int) -> None:
        _write(_outcome(place, orders[place], bases), lock)

    with ThreadPoolExecutor(_AT_ONCE) as workers:
        tuple(workers.map(fulfil, range(len(orders))))
    return 0


def _outcome(place: int, order: CredentialRequest, bases: Bases) -> Outcome:
    try:
        return Outcome(place, fetch(order, bases))
    except FetchError as error:
        return Outcome(place, None, error.problem, str(error))


def _write(outcome: Outcome, lock: threading.Lock) -> None:
    with lock:
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
