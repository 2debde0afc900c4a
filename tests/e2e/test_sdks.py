"""AWS's own clients without configuration, behind the shim: credentials and region come from 169.254.169.254."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.containers import served_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

IMAGE = Path(__file__).parent / "images" / "sdks"
BOTO3 = """
import json, boto3
from botocore.utils import IMDSRegionProvider
session = boto3.Session()
got = session.get_credentials()
frozen = got.get_frozen_credentials()
region = IMDSRegionProvider(session._session).provide()
print(json.dumps([got.method, frozen.access_key, frozen.secret_key, frozen.token, region]))
"""


@pytest.fixture(scope="module")
def application(docker: Docker, debug_image: str, network: str, mock: str) -> Iterator[str]:
    del debug_image, mock  # they only have to be there
    image = docker.build("imds-e2e-sdks", IMAGE)
    options = ["--network", network, "--cap-add", "NET_ADMIN", "--env", "MOCK_HOSTNAME=mock_metadata"]
    with docker.container(image, options=options) as name:
        docker.await_log(name, " -> ")
        yield name


def test_boto3_gets_credentials_and_region(docker: Docker, application: str) -> None:
    served = served_credentials(docker, application)
    method, *got, region = json.loads(docker("exec", application, "python3", "-c", BOTO3).stdout)
    assert method == "iam-role"
    assert got == [served["AccessKeyId"], served["SecretAccessKey"], served["Token"]]
    assert region == "us-east-1"


def test_the_aws_command_gets_credentials_and_region(docker: Docker, application: str) -> None:
    served = served_credentials(docker, application)
    exported = json.loads(docker("exec", application, "aws", "configure", "export-credentials").stdout)
    assert exported["AccessKeyId"] == served["AccessKeyId"]
    assert exported["SecretAccessKey"] == served["SecretAccessKey"]
    assert exported["SessionToken"] == served["Token"]
    listed = docker("exec", application, "aws", "configure", "list").stdout
    rows = {words[0]: words[1:] for line in listed.splitlines() if (words := line.split())}
    assert rows["region"] == ["us-east-1", "imds"]
    assert rows["access_key"][1:] == ["iam-role"]
