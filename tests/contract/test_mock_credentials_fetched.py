"""Every kind of AWS profile, read by the program that fetches credentials. Moto and small servers stand in for AWS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from imds_mock.credentials import botocore_program, fetching
from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials, FetchError
from support import aws
from support.http_server import ScriptedHttpServer
from support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SECRET = "planted/secret+that+must+not+appear"  # noqa: S105 - planted, to be looked for
ROLE = "arn:aws:iam::123456789012:role/web"
HOUR = 3600


@pytest.fixture(scope="module")
def sts() -> Iterator[str]:
    with aws.moto() as url:
        yield url


class Home:
    """The mock's environment with its ~/.aws, and fetches in it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        # Keeps the program from asking this machine's host; test_mock_credentials_host tests it without.
        self.environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true"}
        (folder / ".aws").mkdir()

    def write(self, name: str, text: str) -> None:
        file = self.folder / ".aws" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def fetch(self, request: CredentialRequest) -> FetchedCredentials:
        """Fetch in this process."""
        with self._in_environment(fetching.environment(self.environment, request.endpoint_url)):
            return botocore_program.fetch(request, botocore_program.SessionCache())

    def fetch_in_subprocess(self, request: CredentialRequest) -> FetchedCredentials:
        """Fetch in a separate process, as the mock does."""
        with self._in_environment(self.environment):
            return asyncio.run(fetching.Fetcher().fetch(request))

    @contextlib.contextmanager
    def _in_environment(self, variables: Mapping[str, str]) -> Iterator[None]:
        with self._monkeypatch.context() as patched:
            for name in tuple(os.environ):
                patched.delenv(name)
            for name, value in variables.items():
                patched.setenv(name, value)
            yield

    def failure(self, request: CredentialRequest, *, in_process: bool = True) -> FetchError:
        with pytest.raises(FetchError) as raised:
            self.fetch(request) if in_process else self.fetch_in_subprocess(request)
        assert SECRET not in str(raised.value)
        assert "\n" not in str(raised.value)
        return raised.value


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


def request(**fields: Any) -> CredentialRequest:
    return CredentialRequest("eu-west-1", HOUR, HOUR, **fields)


def soon(**span: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**span)


def lasts(fetched: FetchedCredentials, seconds: float) -> bool:
    assert fetched.expiration is not None
    return abs(fetched.expiration - datetime.now(UTC).timestamp() - seconds) < 60


def test_a_long_lived_key_is_exchanged_for_a_session(home: Home, sts: str) -> None:
    home.write("credentials", f"[dev]\naws_access_key_id = AKIA1\naws_secret_access_key = {SECRET}\n")
    fetched = home.fetch(request(profile="dev", endpoint_url=sts))
    assert fetched.access_key_id != "AKIA1"
    assert fetched.secret_access_key != SECRET
    assert fetched.session_token
    assert lasts(fetched, HOUR)


def test_the_environment_of_the_mock(home: Home) -> None:
    home.environment |= {"AWS_ACCESS_KEY_ID": "ASIA1", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "token"}
    assert home.fetch(request()) == FetchedCredentials("ASIA1", SECRET, "token", None)


def test_a_profile_with_a_session_token(home: Home) -> None:
    home.write("credentials", f"[dev]\naws_access_key_id=ASIA1\naws_secret_access_key={SECRET}\naws_session_token=t\n")
    assert home.fetch(request(profile="dev")) == FetchedCredentials("ASIA1", SECRET, "t", None)
    home.environment["AWS_PROFILE"] = "dev"
    assert home.fetch(request()).access_key_id == "ASIA1"


def test_a_role_over_a_source_profile(home: Home, sts: str) -> None:
    home.write("credentials", f"[base]\naws_access_key_id = AKIA1\naws_secret_access_key = {SECRET}\n")
    home.write("config", f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = base\nrole_session_name = me\n")
    fetched = home.fetch(request(profile="dev", endpoint_url=sts))
    assert caller_of(fetched, sts) == "arn:aws:sts::123456789012:assumed-role/web/me"
    assert lasts(fetched, HOUR)


def test_a_role_assumed_with_another_roles_credentials(home: Home, sts: str) -> None:
    home.write("credentials", f"[base]\naws_access_key_id = AKIA1\naws_secret_access_key = {SECRET}\n")
    home.write("config", f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = base\n")
    fetched = home.fetch(
        request(profile="dev", endpoint_url=sts, role_arn=f"{ROLE}-2", session_name="imds-mock", external_id="ex")
    )
    assert caller_of(fetched, sts) == "arn:aws:sts::123456789012:assumed-role/web-2/imds-mock"


def test_a_role_assumed_with_the_keys_of_the_configuration(home: Home, sts: str) -> None:
    fetched = home.fetch(
        request(
            endpoint_url=sts, role_arn=ROLE, session_name="imds-mock", access_key_id="AKIA1", secret_access_key=SECRET
        )
    )
    assert caller_of(fetched, sts) == "arn:aws:sts::123456789012:assumed-role/web/imds-mock"


def test_a_web_identity(home: Home, sts: str) -> None:
    token = home.folder / "token"
    token.write_text("e30.e30.e30")
    home.write("config", f"[profile dev]\nrole_arn = {ROLE}\nweb_identity_token_file = {token}\n")
    fetched = home.fetch(request(profile="dev", endpoint_url=sts))
    assert fetched.access_key_id.startswith("ASIA")
    assert lasts(fetched, HOUR)


def credential_process(home: Home, script: str) -> None:
    program = home.folder / "program.py"
    program.write_text(script)
    home.write("config", f"[profile dev]\ncredential_process = {sys.executable} -S {program}\n")


def test_a_credential_process(home: Home) -> None:
    end = soon(minutes=30)
    output = {"Version": 1, "AccessKeyId": "ASIA1", "SecretAccessKey": SECRET, "SessionToken": "t"}
    credential_process(home, f"print({json.dumps(output | {'Expiration': end.isoformat()})!r})")
    assert home.fetch(request(profile="dev")) == FetchedCredentials("ASIA1", SECRET, "t", end.timestamp())


@pytest.mark.parametrize("script", [f"raise SystemExit('{SECRET}')", f"print('{SECRET}')"])
def test_a_credential_process_that_fails(home: Home, script: str) -> None:
    credential_process(home, script)
    failure = home.failure(request(profile="dev"))
    assert failure.problem == "other"
    assert "profile dev" in str(failure)


def signed_in(home: Home, until: datetime) -> str:
    """A profile of IAM Identity Center, signed in; what the browser would have brought."""
    start = "https://example.awsapps.com/start"
    home.write(
        "config",
        "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Developer\n"
        f"[sso-session corp]\nsso_start_url = {start}\nsso_region = eu-west-1\n",
    )
    cached = {
        "startUrl": start,
        "region": "eu-west-1",
        "accessToken": SECRET,
        "expiresAt": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }
    name = sha1(b"corp", usedforsecurity=False).hexdigest()
    home.write(f"sso/cache/{name}.json", json.dumps(cached))
    return "dev"


def test_a_sign_in_through_identity_center(home: Home) -> None:
    end = soon(hours=1)
    given = {"accessKeyId": "ASIA1", "secretAccessKey": SECRET, "sessionToken": "t"}
    answer = aws.json_answer({"roleCredentials": given | {"expiration": int(end.timestamp()) * 1000}})
    profile = signed_in(home, soon(hours=8))
    with ScriptedHttpServer(lambda _head: answer) as portal:
        home.environment["AWS_ENDPOINT_URL_SSO"] = f"http://127.0.0.1:{portal.port}"
        assert home.fetch_in_subprocess(request(profile=profile)) == FetchedCredentials(
            "ASIA1", SECRET, "t", end.timestamp()
        )
    (asked,) = portal.requests
    assert asked.startswith(b"GET /federation/credentials?role_name=Developer&account_id=123456789012 ")
    assert SECRET.encode() in asked


def test_an_expired_sign_in(home: Home) -> None:
    failure = home.failure(request(profile=signed_in(home, soon(hours=-1))), in_process=False)
    assert (
        str(failure)
        == "the sign-in of the profile dev has expired; run `aws sso login --profile dev` where your ~/.aws is"
    )


def test_without_a_sign_in(home: Home) -> None:
    signed_in(home, soon(hours=1))
    (next((home.folder / ".aws/sso/cache").iterdir())).unlink()
    assert "aws sso login --profile dev" in str(home.failure(request(profile="dev")))


def test_neither_variables_nor_files(home: Home) -> None:
    failure = home.failure(request(role_arn=ROLE))
    assert failure.problem == "other"
    assert str(failure) == (
        "no credentials in variables or files; mount your ~/.aws into the mock's container, "
        "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY there"
    )


def test_a_profile_that_does_not_exist(home: Home) -> None:
    failure = str(home.failure(request(profile="prod")))
    assert failure == "profile prod does not exist; mount your ~/.aws into the mock's container, or correct its name"


@pytest.mark.parametrize(("mode", "barrier"), [(os.R_OK, ".aws/credentials"), (os.X_OK, ".aws")])
def test_unreadable_files(home: Home, monkeypatch: pytest.MonkeyPatch, mode: int, barrier: str) -> None:
    home.write("credentials", "[default]\n")
    # Root can read every file.
    monkeypatch.setattr("imds_mock.credentials.botocore_program.os.access", lambda _path, asked: asked != mode)
    failure = str(home.failure(request()))
    assert failure.startswith(f"{home.folder}/{barrier} cannot be read by the mock's user (")
    assert "run the mock as the owner of the files (in Compose: `user: '" in failure


def test_a_profile_that_wants_an_mfa_code(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write("credentials", f"[base]\naws_access_key_id = AKIA1\naws_secret_access_key = {SECRET}\n")
    home.write(
        "config",
        f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n",
    )

    def no_terminal(*_arguments: object) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.unix_getpass", no_terminal)
    monkeypatch.setattr("botocore.credentials.AssumeRoleProvider.__init__.__defaults__", (no_terminal, None, None))
    assert "requires an MFA code, which the mock cannot ask for" in str(home.failure(request(profile="dev")))


STS_ERRORS: list[tuple[int, str, str, str, str]] = [
    (403, "AccessDenied", "User: me is not authorized", "refused",
     "AssumeRole was refused: User: me is not authorized; check the role's trust policy and the caller's permissions"),
    (403, "InvalidClientTokenId", "The security token is invalid", "other",
     "AssumeRole was refused (InvalidClientTokenId): the service does not know the access key; check its id"),
    (403, "SignatureDoesNotMatch", f"The canonical string is x-amz-security-token:{SECRET}", "other",
     "AssumeRole was refused (SignatureDoesNotMatch): the secret access key does not match the key id; correct it"),
    (403, "SignatureDoesNotMatch", "Signature expired: 20250101T000000Z is now earlier than 20250101T010000Z", "other",
     "AssumeRole was refused (SignatureDoesNotMatch): the mock's clock differs too much from AWS's; correct it"),
    (403, "SignatureDoesNotMatch", "Signature not yet current: 20250101T020000Z is still later than ...", "other",
     "AssumeRole was refused (SignatureDoesNotMatch): the mock's clock differs too much from AWS's; correct it"),
    (400, "RequestExpired", "Request has expired.", "other",
     "AssumeRole was refused (RequestExpired): the mock's clock differs too much from AWS's; correct it"),
    (400, "ExpiredToken", "expired", "other",
     "AssumeRole was refused (ExpiredToken): the credentials for the call have expired; renew them"),
    (400, "ValidationError", "The requested DurationSeconds exceeds the maximum.", "other",
     "AssumeRole failed (ValidationError): The requested DurationSeconds exceeds the maximum."),
    (400, "Throttling", "Rate exceeded", "unreachable", "AssumeRole failed (Throttling)"),
    (503, "ServiceUnavailable", SECRET, "unreachable", "AssumeRole failed (ServiceUnavailable)"),
    (400, "Strange", SECRET, "other", "AssumeRole failed (Strange)"),
    (403, "AccessDenied", f"with {SECRET}", "refused",
     "AssumeRole was refused: with ********; check the role's trust policy and the caller's permissions"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "message", "problem", "sentence"), STS_ERRORS)
def test_errors_from_sts(home: Home, status: int, code: str, message: str, problem: str, sentence: str) -> None:
    wanted = request(role_arn=ROLE, session_name="sn", access_key_id="A", secret_access_key=SECRET)
    with ScriptedHttpServer(lambda _head: aws.sts_error(status, code, message)) as server:
        failure = home.failure(msgspec.structs.replace(wanted, endpoint_url=f"http://127.0.0.1:{server.port}"))
    assert (failure.problem, str(failure)) == (problem, sentence)
    assert len(server.requests) == 1, "the refresher retries, not botocore"


def test_an_unreachable_endpoint(home: Home) -> None:
    keys = {"access_key_id": "A", "secret_access_key": SECRET}
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        failure = home.failure(request(role_arn=ROLE, session_name="sn", endpoint_url=url, **keys))
    assert failure.problem == "unreachable"
    assert str(failure) == f"{url} cannot be reached (EndpointConnectionError); check endpoint_url and the network"


def caller_of(fetched: FetchedCredentials, sts: str) -> str:
    import boto3

    client = boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=sts,
        aws_access_key_id=fetched.access_key_id,
        aws_secret_access_key=fetched.secret_access_key,
        aws_session_token=fetched.session_token,
    )
    return str(client.get_caller_identity()["Arn"])


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("raise SystemExit(1)", "the program that fetches credentials exited without a result"),
        ("print('no result')", "the program that fetches credentials wrote an invalid result"),
        ("input(); import signal; signal.pause()", "no credentials within 0 s"),
    ],
)
def test_a_failing_program(home: Home, monkeypatch: pytest.MonkeyPatch, program: str, sentence: str) -> None:
    (home.folder / "not_the_program.py").write_text(program)
    home.environment["PYTHONPATH"] = str(home.folder)
    monkeypatch.setattr(fetching, "PROGRAM", "not_the_program")
    if "pause" in program:
        monkeypatch.setattr(fetching, "_TIMEOUT_SECONDS", 0.4)
    failure = home.failure(request(), in_process=False)
    assert (failure.problem, str(failure)) == ("unreachable", sentence)


def test_a_program_that_cannot_be_started(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(home.folder / "nothing"))
    failure = str(home.failure(request(), in_process=False))
    assert failure == "the program that fetches credentials cannot be started: No such file or directory"


def test_simultaneous_requests_share_a_process(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.folder / "counting.py").write_text(
        "import json, os, sys\n"
        "for index, request in enumerate(json.load(sys.stdin)):\n"
        "    keys = dict(access_key_id=str(os.getpid()), secret_access_key=request['role_arn'], session_token='')\n"
        "    print(json.dumps(dict(index=index, fetched=keys | dict(expiration=None))))\n"
    )
    home.environment["PYTHONPATH"] = str(home.folder)
    monkeypatch.setattr(fetching, "PROGRAM", "counting")

    async def together() -> list[FetchedCredentials]:
        fetcher = fetching.Fetcher()
        wanted = [
            request(role_arn=f"{ROLE}-{number}", endpoint_url=url) for number in (1, 2) for url in (None, "http://x")
        ]
        return await asyncio.gather(*map(fetcher.fetch, wanted))

    with home._in_environment(home.environment):
        fetched = asyncio.run(together())
    assert [each.secret_access_key for each in fetched] == [f"{ROLE}-1", f"{ROLE}-1", f"{ROLE}-2", f"{ROLE}-2"]
    assert fetched[0].access_key_id == fetched[2].access_key_id != fetched[1].access_key_id == fetched[3].access_key_id


def test_the_number_of_processes_is_limited_and_later_requests_share_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[int] = []

    async def scenario() -> None:
        answers = asyncio.Event()

        async def run(batch: fetching.Batch, _environ: Mapping[str, str]) -> None:
            batches.append(len(batch))
            await answers.wait()
            for _, future in batch:
                future.set_result(FetchedCredentials("key", "secret", "token", None))

        monkeypatch.setattr(fetching, "_run", run)
        monkeypatch.setattr(fetching, "_GATHER_SECONDS", 0)
        fetcher = fetching.Fetcher()
        asking = []
        for number in range(20):
            asking.append(asyncio.ensure_future(fetcher.fetch(request(role_arn=f"{ROLE}-{number}"))))
            for _ in range(5):
                await asyncio.sleep(0)
        assert batches == [1, 1, 1, 1]
        answers.set()
        await asyncio.gather(*asking)

    asyncio.run(scenario())
    assert batches == [1, 1, 1, 1, 16]
