"""The examples of docs/credentials.md, with moto's server in place of LocalStack."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.containers import Docker

PAGE = (ROOT / "docs/credentials.md").read_text()
IMAGES = Path(__file__).parent / "images"
SECRET = "planted/secret+that+nobody+may+see"  # noqa: S105 - planted, to be looked for
USE = """
import boto3, json
sts, s3 = boto3.client("sts"), boto3.client("s3")
caller = sts.get_caller_identity()["Arn"]
s3.create_bucket(Bucket=caller.split("/")[1])
s3.put_object(Bucket=caller.split("/")[1], Key="k", Body=b"v")
print(json.dumps([caller, sorted(bucket["Name"] for bucket in s3.list_buckets()["Buckets"])]))
"""
FIND = """
import boto3, json
found = boto3.Session().get_credentials()
print(json.dumps([found.method, *found.get_frozen_credentials()]))
"""


def blocks() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(start: str) -> str:
    """The one block of the page that has a text."""
    (found,) = (each for each in blocks() if start in each)
    return found


class Project:
    """A stranger's project: a compose file from the page, and an application with AWS's SDK."""

    def __init__(self, docker: Docker, folder: Path, compose: str) -> None:
        self._docker = docker
        self._files = ("--project-name", docker.name(), "--file", str(folder / "compose.yaml"))
        (folder / "compose.yaml").write_text(compose)

    def __call__(self, *words: str) -> str:
        return self._docker("compose", *self._files, *words).stdout

    def python(self, service: str, program: str) -> Any:
        return json.loads(self("exec", "-T", service, "python3", "-c", program))

    def await_log(self, service: str, text: str) -> None:
        self._docker.await_log(self("ps", "--quiet", service).strip(), text)

    def await_hand_off(self, services: Sequence[str]) -> None:
        for service in services:
            self.await_log(service, " -> ")


@contextlib.contextmanager
def up(docker: Docker, folder: Path, compose: str, *, with_aws: bool = False) -> Iterator[Project]:
    """Run a project until the block ends; AWS is there before anything asks it."""
    project = Project(docker, folder, compose.replace("    build: .\n", "    image: imds-e2e-sdks\n"))
    try:
        if with_aws:
            project("up", "--detach", "aws")
            project.await_log("aws", "Running on")
        project("up", "--detach", "--wait")
        yield project
    finally:
        project("down", "--volumes", "--timeout", "2")


@pytest.fixture(scope="module", autouse=True)
def _images(docker: Docker, mock_image: str, debug_image: str) -> None:
    assert (mock_image, debug_image) == ("imds-mock", "imds-shim-debug")
    docker.build("imds-e2e-sdks", IMAGES / "sdks")
    docker.build("imds-e2e-aws", IMAGES / "aws")


def aws_folder(folder: Path, owner: int, **files: str) -> Path:
    """A ~/.aws with files as `aws configure` leaves them."""
    made = folder / "dot-aws"
    made.mkdir()
    for name, text in files.items():
        file = made / name
        file.write_text(text)
        file.chmod(0o600)
        os.chown(file, owner, owner)
    made.chmod(0o700)
    os.chown(made, owner, owner)
    return made


def test_two_services_are_seen_under_two_roles(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "mock").mkdir()
    (tmp_path / "mock/mock.yaml").write_text(block("# mock/mock.yaml"))
    compose = block("localstack/localstack").replace("localstack/localstack", "imds-e2e-aws")
    compose = compose.replace("AWS_SECRET_ACCESS_KEY: test", f"AWS_SECRET_ACCESS_KEY: {SECRET}")
    with up(docker, tmp_path, compose, with_aws=True) as project:
        project.await_hand_off(["orders", "billing"])
        seen = [project.python(service, USE) for service in ("orders", "billing")]
        log = project("logs", "mock_metadata") + project("exec", "-T", "mock_metadata", "imds-mock", "ctl", "requests")
    assert seen == [
        ["arn:aws:sts::123456789012:assumed-role/orders/i-1234567890abcdef0", ["orders"]],
        ["arn:aws:sts::123456789012:assumed-role/billing/i-1234567890abcdef0", ["billing", "orders"]],
    ]
    assert SECRET not in log


def test_ones_own_credentials(docker: Docker, tmp_path: Path) -> None:
    keys = f"aws_access_key_id = ASIAOWN\naws_secret_access_key = {SECRET}\naws_session_token = own-token\n"
    files = aws_folder(tmp_path, 1000, config="[profile dev]\nregion = eu-west-1\n", credentials=f"[dev]\n{keys}")
    compose = block("~/.aws:/.aws").replace("~/.aws", str(files))
    application = block("localstack/localstack").partition("  orders:")[2].partition("  billing:")[0]
    with up(docker, tmp_path, f"{compose}  orders:{application}") as project:
        project.await_hand_off(["orders"])
        assert project.python("orders", FIND)[:4] == ["iam-role", "ASIAOWN", SECRET, "own-token"]
        assert SECRET not in project("logs", "mock_metadata")


def test_files_that_the_mock_may_not_read_are_named(docker: Docker, tmp_path: Path) -> None:
    files = aws_folder(tmp_path, 1234, credentials="[dev]\n")
    files.chmod(0o755)
    options = ["--volume", f"{files}:/.aws", "--env", "IMDS_MOCK_CREDENTIALS_SOURCE=profile"]
    with docker.container("imds-mock", options=options) as mock:
        said = docker.await_log(mock, "cannot fetch credentials of the default profile: ")
    assert "/.aws/credentials cannot be read by the mock's user (65532)" in said
    assert "`user: '1234'`" in said


def test_the_image_has_the_services_for_credentials_and_for_an_import(docker: Docker) -> None:
    program = (
        "import botocore.session as b; s = b.Session(); names = s.get_available_services();"
        "[s.create_client(name, 'eu-west-1') for name in names]; print(*sorted(names))"
    )
    known = docker("run", "--rm", "--entrypoint", "/opt/imds-mock/bin/python", "imds-mock", "-c", program).stdout
    assert known.split() == ["ec2", "iam", "signin", "sso", "sso-oidc", "sts"]


def assert_a_task_and_a_pod(project: Project) -> None:
    """Both get the credentials that the mock gives them, from their own agent, and the task knows what it is."""
    task, pod = (project.python(service, FIND) for service in ("task", "pod"))
    assert task[0] == pod[0] == "container-role"
    assert task[1:4] == pod[1:4]
    shown = json.loads(project("exec", "-T", "task", "sh", "-c", "curl -s $ECS_CONTAINER_METADATA_URI_V4/task"))
    assert shown["Family"] == "shop"


def journal(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        project("exec", "-T", "mock_metadata", "imds-mock", "ctl", "requests", "--json")
    )
    return found


def test_a_task_and_a_pod(docker: Docker, tmp_path: Path) -> None:
    compose = re.sub(
        r"(?m)^  (task|pod):\n", r"  \1:\n    entrypoint: [sleep, '3600']\n", block("link_local_ips: [169.254.169.254,")
    )
    with up(docker, tmp_path, compose) as project:
        assert_a_task_and_a_pod(project)
        asked = journal(project)
        project("exec", "-T", "mock_metadata", "imds-mock", "ctl", "assert", "--no-imdsv1")
    assert {each["version"] for each in asked} == {"ecs", "eks"}


def test_the_shim_leads_a_task_and_a_pod_to_the_mock(docker: Docker, tmp_path: Path) -> None:
    with up(docker, tmp_path, block("MOCK_ENDPOINTS: ecs")) as project:
        project.await_hand_off(["task", "pod"])
        assert_a_task_and_a_pod(project)
        ask = "curl -s http://169.254.169.254/latest/meta-data/instance-id"
        assert project("exec", "-T", "pod", "sh", "-c", ask).startswith("i-")
