"""The mock requests credentials neither from itself nor from its host: run in a namespace with a mock as the host."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from imds_mock.credentials.fetching import PROGRAM, environment
from imds_mock.credentials.requests import CredentialRequest
from netlab import Lab
from support.imds_program import running_imds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.imds_program import ImdsProgram

ECS = "169.254.170.2"
ENDPOINTS: tuple[dict[str, str], ...] = (
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{ECS}/v2/credentials/x"},
    {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://169.254.169.254", "AWS_EC2_METADATA_DISABLED": "false"},
    {},
)
ROLE = "role_arn = arn:aws:iam::123456789012:role/web"
CONFIG = f"[profile instance]\n{ROLE}\ncredential_source = Ec2InstanceMetadata\n\
[profile container]\n{ROLE}\ncredential_source = EcsContainer\n[profile empty]\nregion = eu-west-1\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImdsProgram]:
    folder = tmp_path_factory.mktemp("host")
    (folder / ".aws").mkdir()
    (folder / ".aws/config").write_text(CONFIG)
    with Lab() as lab:
        namespace = lab.namespace("host")
        namespace.ip("address", "add", f"{ECS}/32", "dev", "lo")
        with running_imds({}, folder, namespace=namespace, options=["--host", ECS]) as running:
            yield running


def fetch(host: ImdsProgram, profile: str | None, variables: Mapping[str, str]) -> list[object]:
    """The program's result for a request, and the paths that it requested from the host."""
    request = CredentialRequest("eu-west-1", 3600, 3600.0, profile, endpoint_url="http://127.0.0.1:9")
    host.asked()
    output = host.run(
        [sys.executable, "-P", "-m", PROGRAM], stdin=msgspec.json.encode([request]).decode(), variables=variables
    )
    return [json.loads(output.stdout)["fetched"], [each.path for each in host.asked()]]


@pytest.mark.parametrize("profile", [None, "empty", "instance", "container"])
@pytest.mark.parametrize("variables", ENDPOINTS)
def test_the_host_is_never_asked(host: ImdsProgram, profile: str | None, variables: Mapping[str, str]) -> None:
    assert fetch(host, profile, environment(host.environment | dict(variables), None)) == [None, []]


@pytest.mark.parametrize(("profile", "variables"), [("instance", {}), ("container", ENDPOINTS[0])])
def test_the_host_would_be_asked_with_the_mocks_own_environment(
    host: ImdsProgram, profile: str, variables: Mapping[str, str]
) -> None:
    _, asked = fetch(host, profile, variables)
    assert asked
