"""The program with credentials that work: an unconfigured boto3 is seen under the role, and no secret leaks."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support import aws
from support.http_server import ScriptedHttpServer
from support.mockprogram import running_program
from support.mockserver import Answer, head, read_all
from support.paths import IMDS_MOCK
from support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.mockprogram import RunningProgram

SECRET = "planted/secret+that+must+not+appear"  # noqa: S105 - planted, to be looked for
LEAVES = "/latest/meta-data"
ROLES = "/latest/meta-data/iam/security-credentials/"
IN_VARIABLES = ("IMDS_MOCK_CREDENTIALS_SECRET_ACCESS_KEY", "IMDS_MOCK_CREDENTIALS_SESSION_TOKEN", "IMDS_MOCK_EKS_TOKEN")
SHOWN = (
    *(
        "/v1/config",
        "/v1/config/credentials",
        "/v1/metadata",
        "/v1/metadata/meta-data/iam/security-credentials/my-role",
    ),
    *("/v1/status", "/v1/callers", "/v1/requests", "/v1/events", "/v1/faults", "/metrics"),
)
APPLICATION = """
import boto3, json, sys
caller = boto3.client("sts").get_caller_identity()["Arn"]
s3 = boto3.client("s3")
s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
print(json.dumps([caller, [each["Name"] for each in s3.list_buckets()["Buckets"]]]))
"""


@pytest.fixture(scope="module")
def sts() -> Iterator[str]:
    with aws.moto() as url:
        yield url


def assuming(url: str, *settings: str) -> list[str]:
    return [
        word
        for setting in ("source=assume-role", f"endpoint_url={url}", "wait_seconds=60", *settings)
        for word in ("--set", f"credentials.{setting}")
    ]


def get(program: RunningProgram, path: str) -> Answer:
    with socket.create_connection(("127.0.0.1", program.port), 60) as client:
        client.sendall(head("GET", path).encode())
        return Answer.parse(read_all(client))


def served(program: RunningProgram, role: str = "my-role") -> dict[str, str]:
    read: dict[str, str] = json.loads(get(program, ROLES + role).body)
    return read


def test_aws_sees_an_unconfigured_boto3_as_the_role(tmp_path: Path, sts: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": SECRET}
    with running_program(tmp_path, [*assuming(sts), "--set", "instance.role=web"], **keys) as program:
        application = subprocess.run(
            [sys.executable, "-c", APPLICATION],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL": sts,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{program.port}",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert application.returncode == 0, application.stderr
        caller, buckets = json.loads(application.stdout)
        assert caller == "arn:aws:sts::123456789012:assumed-role/web/i-1234567890abcdef0"
        assert buckets == ["mine"]
        assert program.end() == 0
    assert any(
        "imds-mock: fetched credentials of arn:aws:iam::123456789012:role/web, valid until 20" in line
        for line in program.lines
    )


def test_rotation_brings_new_working_keys(tmp_path: Path, sts: str) -> None:
    with running_program(tmp_path, assuming(sts, "access_key_id=test", f"secret_access_key={SECRET}")) as program:
        program.await_line("control plane on")
        before = served(program)
        rotated = program.ctl("credentials", "rotate")
        assert (rotated.returncode, rotated.stderr) == (0, "")
        after = served(program)
        assert after["AccessKeyId"] != before["AccessKeyId"]
        assert after["LastUpdated"] >= before["LastUpdated"]
        assert caller_of(after, sts) == "arn:aws:sts::123456789012:assumed-role/my-role/i-1234567890abcdef0"
        assert program.ctl("credentials", "expire", "--after", "5m").returncode == 0
        shortened = served(program)
        assert shortened["AccessKeyId"] == after["AccessKeyId"]
        assert shortened["Expiration"] < after["Expiration"]


def test_a_rotation_reports_unchanged_keys(tmp_path: Path) -> None:
    file = tmp_path / "credentials"

    def write(key_id: str) -> None:
        file.write_text(
            f"[dev]\naws_access_key_id = {key_id}\naws_secret_access_key = {SECRET}\naws_session_token = {SECRET}\n"
        )

    write("ASIADEV")
    environ = {
        "AWS_SHARED_CREDENTIALS_FILE": str(file),
        "IMDS_MOCK_CREDENTIALS_SOURCE": "profile",
        "IMDS_MOCK_CREDENTIALS_PROFILE": "dev",
    }
    with running_program(tmp_path, **environ) as program:
        program.await_line("control plane on")
        assert served(program)["AccessKeyId"] == "ASIADEV"
        same = program.ctl("credentials", "rotate")
        assert same.returncode == 0
        assert "are unchanged: their source returned the same ones" in same.stderr
        assert SECRET not in same.stderr
        write("ASIANEW")
        assert program.ctl("credentials", "rotate").stderr == ""
        assert served(program)["AccessKeyId"] == "ASIANEW"


def test_what_was_kept_before_a_fetch_is_not_sent_after_it(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    environ = {
        "AWS_SHARED_CREDENTIALS_FILE": str(file),
        "IMDS_MOCK_CREDENTIALS_SOURCE": "profile",
        "IMDS_MOCK_CREDENTIALS_PROFILE": "dev",
        "IMDS_MOCK_CREDENTIALS_WAIT_SECONDS": "0.2",
    }
    paths = (f"{ROLES}my-role", ROLES, "/latest/meta-data/iam/", "/latest/meta-data/")
    with running_program(tmp_path, **environ) as program:
        for _ in range(3):
            assert [get(program, path).status for path in paths] == [404, 404, 200, 200]
            assert get(program, "/latest/meta-data/iam/").body == b"info"
        keys = f"aws_access_key_id = ASIADEV\naws_secret_access_key = {SECRET}\naws_session_token = {SECRET}\n"
        file.write_text(f"[dev]\n{keys}")
        program.await_line("fetched credentials of")
        assert [get(program, path).status for path in paths] == [200] * 4
        assert served(program)["AccessKeyId"] == "ASIADEV"
        assert get(program, "/latest/meta-data/iam/").body == b"info\nsecurity-credentials/"


def caller_of(credentials: dict[str, str], sts: str) -> str:
    import boto3

    client = boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=sts,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["Token"],
    )
    return str(client.get_caller_identity()["Arn"])


def test_a_refusal_by_sts_is_shown_as_on_ec2(tmp_path: Path) -> None:
    keys = ["access_key_id=test", f"secret_access_key={SECRET}"]
    with (
        ScriptedHttpServer(lambda _head: aws.sts_error(403, "AccessDenied", "User: me is not authorized")) as refusing,
        running_program(tmp_path, assuming(f"http://127.0.0.1:{refusing.port}", *keys)) as program,
    ):
        document = served(program)
        assert list(document) == ["Code", "Message", "LastUpdated"]
        assert document["Code"] == "AssumeRoleUnauthorizedAccess"
        assert get(program, ROLES).body == b"my-role"
        assert program.end() == 0
    (failure,) = (line for line in program.lines if "cannot fetch credentials of" in line)
    assert "AssumeRole was refused: User: me is not authorized; check the role's trust policy" in failure


def test_without_a_reachable_endpoint_there_is_no_role(tmp_path: Path, sts: str) -> None:
    file = tmp_path / "mock.yaml"

    def ask(url: str) -> None:
        keys = f"access_key_id: test, secret_access_key: {SECRET}, wait_seconds: 0.2"
        file.write_text(f"credentials: {{source: assume-role, endpoint_url: {url}, {keys}}}\n")

    with contextlib.ExitStack() as stack:
        nowhere = f"http://127.0.0.1:{stack.enter_context(reserved_port())}"
        ask(nowhere)
        program = stack.enter_context(running_program(tmp_path, ["--config", str(file)]))
        assert get(program, f"{ROLES}my-role").status == 404
        assert get(program, ROLES).status == 404
        assert get(program, "/latest/meta-data/iam").body == b"info"
        assert get(program, "/latest/meta-data/instance-id").status == 200
        program.await_line(f"cannot fetch credentials of .*role/my-role: {nowhere} cannot be reached")
        ask(sts)
        program.await_line("fetched credentials of arn:aws:iam::123456789012:role/my-role, valid until")
        assert served(program)["Code"] == "Success"


def test_a_signal_ends_the_wait_for_the_first_credentials() -> None:
    with ScriptedHttpServer(lambda _head: None) as silent:
        keys = ["access_key_id=test", f"secret_access_key={SECRET}", "wait_seconds=60"]
        process = subprocess.Popen(
            [IMDS_MOCK, "serve", "--host", "127.0.0.1", "--port", "0", "--control", "off",
             *assuming(f"http://127.0.0.1:{silent.port}", *keys)],
            env={"PATH": os.environ["PATH"]}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until = time.monotonic() + 60
        while not silent.requests:
            assert time.monotonic() < until
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")


def test_log_and_control_plane_contain_no_secret(tmp_path: Path, sts: str) -> None:
    token = "token-of-the-control-plane-itself"  # noqa: S105 - not one of AWS's
    settings = ["access_key_id=AKIA1", f"secret_access_key={SECRET}", f"external_id={SECRET}-2"]
    variables = {"AWS_SECRET_ACCESS_KEY": f"{SECRET}-3", "AWS_SESSION_TOKEN": f"{SECRET}-4"}
    seen: list[str] = []
    with running_program(
        tmp_path, [*assuming(sts, *settings), "--set", f"control.token={token}"], **variables
    ) as program:
        program.await_line("control plane on")
        given = served(program)
        secrets = [SECRET, given["SecretAccessKey"], given["Token"]]
        path = next((tmp_path / "imds-mock").glob("*.sock"))
        seen += [over_socket(path, "GET", asked) for asked in SHOWN]
        seen.append(over_socket(path, "PATCH", "/v1/config", {"credentials": {"secret_access_key": [SECRET]}}))
        seen.append(over_socket(path, "PATCH", "/v1/config", {"credentials": {"external_id": f"{SECRET} {SECRET}"}}))
        seen += [str(program.ctl("config", "show")), str(program.ctl("requests"))]
        shown = subprocess.run(
            [IMDS_MOCK, "config", "show"],
            env=program.environment | dict.fromkeys(IN_VARIABLES, SECRET),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen += [shown.stdout, shown.stderr]
        assert program.end() == 0
        seen += program.lines
    assert "********" in seen[0]
    for secret in secrets:
        assert not [text for text in seen if secret in text]


def over_socket(path: Path, method: str, asked: str, body: object = None) -> str:
    connection = http.client.HTTPConnection("localhost", timeout=60)
    with contextlib.closing(connection):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request(
            method, asked, None if body is None else json.dumps(body), {"Content-Type": "application/merge-patch+json"}
        )
        answer = connection.getresponse()
        return f"{answer.status} {answer.headers} {answer.read().decode()}"


def test_each_variant_has_its_role_at_the_first_request(tmp_path: Path, sts: str) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text(f"""
credentials: {{source: assume-role, endpoint_url: {sts}, access_key_id: test, secret_access_key: {SECRET},
  wait_seconds: 60}}
variants:
  - {{match: {{address: 127.0.0.2}}, instance: {{role: orders}}}}
  - {{match: {{address: 127.0.0.3}}, instance: {{role: billing}}, ecs: {{family: billing}}}}
  - {{match: {{address: 127.0.0.4}}, instance: {{role: made-up}}, credentials: {{source: generated}}}}
""")
    with running_program(tmp_path, ["--config", str(file)]) as program:
        names = {"127.0.0.1": "my-role", "127.0.0.2": "orders", "127.0.0.3": "billing"}
        for address, role in names.items():
            document = json.loads(from_address(program, address, ROLES + role).body)
            assert caller_of(document, sts) == f"arn:aws:sts::123456789012:assumed-role/{role}/i-1234567890abcdef0"
        made_up = json.loads(from_address(program, "127.0.0.4", f"{ROLES}made-up").body)
        assert made_up["Token"].startswith("IQoJ")
        ecs = from_address(program, "127.0.0.3", "/v2/credentials/any", "169.254.170.2")
        assert json.loads(ecs.body)["RoleArn"] == "arn:aws:iam::123456789012:role/billing"
        task = from_address(program, "127.0.0.3", "/v4/any/task", "169.254.170.2")
        assert json.loads(task.body)["Family"] == "billing"


@pytest.mark.parametrize("session_name", [None, "all-alike"])
def test_each_container_has_its_own_keys_at_its_first_request(
    tmp_path: Path, sts: str, session_name: str | None
) -> None:
    own = [] if session_name is None else [f"session_name={session_name}"]
    options = assuming(sts, "access_key_id=test", f"secret_access_key={SECRET}", *own)
    with running_program(tmp_path, [*options, "--set", "identity=per-container"]) as program:
        served = []
        for address in ("127.0.0.2", "127.0.0.3"):
            # The request waits until the credentials of this caller are fetched; others are answered meanwhile.
            answer = from_address(program, address, f"{ROLES}my-role")
            assert answer.status == 200, answer
            served.append(json.loads(answer.body))
            instance = from_address(program, address, "/latest/meta-data/instance-id").body.decode()
            assert caller_of(served[-1], sts).rpartition("/")[2] == (session_name or instance)
        assert served[0]["AccessKeyId"] != served[1]["AccessKeyId"]
        assert from_address(program, "127.0.0.4", ROLES).body == b"my-role"


def test_a_client_waiting_for_credentials_can_pipeline_and_half_close(tmp_path: Path, sts: str) -> None:
    options = assuming(sts, "access_key_id=test", f"secret_access_key={SECRET}")
    with running_program(tmp_path, [*options, "--set", "identity=per-container"]) as program:
        asked = [head("GET", path, Connection="keep-alive") for path in (f"{ROLES}my-role", f"{LEAVES}/ami-id")]
        with socket.create_connection(("127.0.0.1", program.port), 60, ("127.0.0.2", 0)) as client:
            client.sendall("".join(asked).encode())
            client.shutdown(socket.SHUT_WR)  # as `nc -N` does
            received = read_all(client)
        first, _, second = received.partition(b"ami-0abcdef1234567890")
        assert first.count(b"HTTP/1.1 200 OK") == 2, received
        assert b'"Code" : "Success"' in first
        assert second == b""


@pytest.mark.measures_time
def test_a_request_waits_no_longer_than_configured(tmp_path: Path) -> None:
    options = assuming("http://127.0.0.1:9", "access_key_id=test", f"secret_access_key={SECRET}", "wait_seconds=0.5")
    with running_program(tmp_path, [*options, "--set", "identity=per-container"]) as program:
        began = time.monotonic()
        assert from_address(program, "127.0.0.2", "/latest/meta-data/instance-id").status == 200
        # Other requests of this caller do not wait.
        assert time.monotonic() - began < 0.5
        assert from_address(program, "127.0.0.2", ROLES).status == 404
        began = time.monotonic()
        assert from_address(program, "127.0.0.2", ROLES).status == 404
        assert time.monotonic() - began < 0.5


def from_address(program: RunningProgram, address: str, path: str, host: str = "169.254.169.254") -> Answer:
    with socket.create_connection(("127.0.0.1", program.port), 60, (address, 0)) as client:
        request = head("GET", path, Connection="close").replace("169.254.169.254", host)
        client.sendall(request.encode())
        return Answer.parse(read_all(client))
