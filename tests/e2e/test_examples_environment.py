"""The example `environment`: what its page claims about the mock's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.examples import example

if TYPE_CHECKING:
    from support.containers import Docker

METHOD = "import boto3; print(boto3.Session().get_credentials().method)"


def test_botocore_takes_no_name_with_an_underscore(docker: Docker) -> None:
    with example(docker, "environment") as made:
        variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://mock_metadata"
        words = ("run", "--build", "--no-deps", "--rm", "-T", "--env", variable, "app", "python3", "-c", METHOD)
        done = made.compose(*words, check=False)
    assert done.returncode == 1
    assert "InvalidIMDSEndpointError" in done.stderr
