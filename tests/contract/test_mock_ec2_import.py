"""`imds-mock config import`: the configuration of an instance that moto's EC2 API describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

from imds_mock.build.loading import from_document
from imds_mock.cli import main
from imds_mock.config.plain_documents import read_yaml
from support import aws
from support.http_server import ScriptedHttpServer
from support.mockcontrol import driven_mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "eu-west-1"
USER_DATA = "#!/bin/sh\necho hello\n"


@pytest.fixture(scope="module")
def ec2_url() -> Iterator[str]:
    with aws.moto() as url:
        yield url


@pytest.fixture
def url(ec2_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An environment in which AWS clients call moto, and nothing else."""
    for name, value in {
        "AWS_ENDPOINT_URL": ec2_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return ec2_url


@pytest.fixture
def instance(url: str) -> dict[str, Any]:
    """An instance with a role, a key pair, tags, user data and a second interface."""
    assert url
    session = botocore.session.Session()
    ec2, iam = session.create_client("ec2", region_name=REGION), session.create_client("iam", region_name=REGION)
    name = f"web-{len(iam.list_roles()['Roles'])}"
    iam.create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=f"{name}-role")
    ec2.create_key_pair(KeyName=name)
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.30.0/24", AvailabilityZone=f"{REGION}b")["Subnet"]
    started = ec2.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        InstanceType="c7g.large",
        SubnetId=subnet["SubnetId"],
        KeyName=name,
        UserData=USER_DATA,
        IamInstanceProfile={"Name": name},
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}],
    )["Instances"][0]
    found: dict[str, Any] = ec2.describe_instances(InstanceIds=[started["InstanceId"]])["Reservations"][0]["Instances"][
        0
    ]
    return {**found, "role": f"{name}-role", "subnet": subnet["SubnetId"], "vpc": vpc}


def imported(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["config", "import", "--region", REGION, *options]) == 0
    document: dict[str, Any] = read_yaml(capsys.readouterr().out, "imported")
    return document


def test_the_mock_serves_the_imported_instance(
    instance: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = imported(capsys, "--instance-id", instance["InstanceId"])
    interface = instance["NetworkInterfaces"][0]
    below = f"network/interfaces/macs/{interface['MacAddress']}/"
    expected = {
        "instance-id": instance["InstanceId"],
        "instance-type": "c7g.large",
        "ami-id": "ami-12c6146b",
        "placement/availability-zone": f"{REGION}b",
        "local-ipv4": instance["PrivateIpAddress"],
        "hostname": instance["PrivateDnsName"],
        "tags/instance/Name": "web",
        "iam/security-credentials/": instance["role"],
        "public-keys/": f"0={instance['KeyName']}",
        f"{below}interface-id": interface["NetworkInterfaceId"],
        f"{below}subnet-id": instance["subnet"],
        f"{below}subnet-ipv4-cidr-block": "10.20.30.0/24",
        f"{below}vpc-id": instance["vpc"],
        f"{below}vpc-ipv4-cidr-block": "10.20.0.0/16",
        f"{below}security-group-ids": interface["Groups"][0]["GroupId"],
    }
    with driven_mock(tmp_path, document) as mock:
        assert mock.get("/latest/meta-data/").status == 401
        token = {"X_aws_ec2_metadata_token": mock.token()}
        served = {path: mock.get(f"/latest/meta-data/{path}", **token).body.decode() for path in expected}
        assert mock.get("/latest/user-data", **token).status == 404
    assert served == expected


def test_user_data_is_included_on_request(instance: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    document = imported(capsys, "--instance-id", instance["InstanceId"], "--include-user-data")
    assert from_document(document).instance.user_data == USER_DATA


def test_a_role_that_cannot_be_read_has_the_name_of_its_profile(
    instance: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    iam = botocore.session.Session().create_client("iam", region_name=REGION)
    name = instance["role"].removesuffix("-role")
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=instance["role"])
    iam.delete_instance_profile(InstanceProfileName=name)
    assert main(["config", "import", "--region", REGION, "--instance-id", instance["InstanceId"]]) == 0
    output, error = capsys.readouterr()
    assert read_yaml(output, "imported")["instance"]["role"] == name
    assert f"cannot read the role of the instance profile {name}, so the role has the profile's name" in error


@pytest.mark.parametrize("identifier", ["i-0123456789abcdef0", "nonsense"])
@pytest.mark.usefixtures("url")
def test_an_instance_that_does_not_exist_is_named(identifier: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "import", "--region", REGION, "--instance-id", identifier]) == 65
    assert f"the instance {identifier} does not exist in this region and account" in capsys.readouterr().err


@pytest.mark.usefixtures("url")
def test_a_missing_region_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "import", "--instance-id", "i-0123456789abcdef0"]) == 78
    assert "no region is configured; add --region" in capsys.readouterr().err


@pytest.mark.usefixtures("url")
def test_an_unknown_profile_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "import", "--region", REGION, "--profile", "missing", "--instance-id", "i-1"]) == 78
    assert "The config profile (missing) could not be found" in capsys.readouterr().err


@pytest.mark.usefixtures("url")
def test_an_api_that_refuses_or_is_silent_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        b"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>"
    )
    refused = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    arguments = ["config", "import", "--region", REGION, "--instance-id", "i-0123456789abcdef0"]
    with ScriptedHttpServer(lambda _head: refused) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        assert main(arguments) == 77
    assert (
        "DescribeInstances was refused (UnauthorizedOperation); allow ec2:DescribeInstances" in capsys.readouterr().err
    )
    assert main(arguments) == 69
    assert "the EC2 API cannot be reached" in capsys.readouterr().err
