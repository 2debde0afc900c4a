"""AWS SDKs and programs built on them: the credentials and region that they read, and who signs their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.real_clients import IPV6_MODE, Client
from support.reference_instance import INSTANCE_ID, REGION, SPOT_ACTION

if TYPE_CHECKING:
    from support.reference_instance import ServedValues

_DEFAULT_REGION: Final = "us-east-1"
_JS: Final = {"NODE_PATH": "{modules}", "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1"}
# Debian's packages come first, so the AWS CLI 2 hides the AWS CLI 1.
_DEBIAN_PYTHON: Final = {"PYTHONPATH": "{packages}", "PYTHONWARNINGS": "ignore"}
_SIGN: Final = ("{python}", "{programs}/sign.py")


def _boto3(served: ServedValues) -> dict[str, Any]:
    # In its instance's region, a client has a shorter connect timeout (botocore's `sdk-default-configuration.json`).
    return served.keys | {
        "method": "iam-role",
        "region": REGION,
        "connect_timeout": 1.1,
        "signer": served.signer(REGION),
    }


def _exported(served: ServedValues) -> dict[str, Any]:
    known = served.credentials
    return {
        "Version": 1,
        "AccessKeyId": known["AccessKeyId"],
        "SecretAccessKey": known["SecretAccessKey"],
        "SessionToken": known["Token"],
        "Expiration": known["Expiration"].replace("Z", "+00:00"),
    }


def _javascript(served: ServedValues) -> dict[str, Any]:
    return served.keys | {"expiration": served.credentials["Expiration"].replace("Z", ".000Z")}


def _signed_for(region: str) -> Any:
    return lambda served: served.signer(region)


SDK_CLIENTS: Final = (
    Client(
        "boto3",
        "pypi:boto3",
        "credentials of the default chain, region, who signs",
        ("{python}", "{programs}/ask_boto3.py"),
        _boto3,
        without_tokens=_boto3,
        ipv6=IPV6_MODE,
    ),
    Client(
        "AWS CLI 1, `s3api`",
        "pypi:awscli",
        "who signs",
        (*_SIGN, "{bin}/aws", "s3api", "list-objects-v2", "--bucket", "bucket"),
        _signed_for(_DEFAULT_REGION),
        ipv6=IPV6_MODE,
    ),
    Client(
        "AWS CLI 2, `configure export-credentials`",
        "debian:awscli",
        "credentials and their end",
        ("{python}", "-m", "awscli", "configure", "export-credentials"),
        _exported,
        without_tokens=_exported,
        ipv6=IPV6_MODE,
        variables=_DEBIAN_PYTHON,
    ),
    Client(
        "AWS CLI 2, `s3api`",
        "debian:awscli",
        "who signs, for the region of the instance",
        (*_SIGN, "{python}", "-m", "awscli", "s3api", "list-objects-v2", "--bucket", "bucket"),
        _signed_for(REGION),
        ipv6=IPV6_MODE,
        variables=_DEBIAN_PYTHON,
    ),
    Client(
        "AWS SDK for JavaScript 3",
        "npm:@aws-sdk/credential-providers",
        "`fromInstanceMetadata`; a client in the region, one elsewhere",
        ("{node}", "{programs}/ask_js_v3.cjs", REGION, "eu-west-1"),
        lambda served: _javascript(served) | {"modes": {REGION: "in-region", "eu-west-1": "cross-region"}},
        without_tokens=lambda served: _javascript(served) | {"modes": {REGION: "standard", "eu-west-1": "standard"}},
        ipv6=IPV6_MODE,
        variables=_JS,
    ),
    Client(
        "`MetadataService` of JavaScript 3",
        "npm:@aws-sdk/ec2-metadata-service",
        "leaves and a listing, which it asks for with `//`",
        (
            *("{node}", "{programs}/ask_js_metadata_service.cjs"),
            *("/latest/meta-data/instance-id", "/latest/meta-data/spot/instance-action", "/latest/", "/latest/nothing"),
        ),
        lambda _served: {
            "/latest/meta-data/instance-id": INSTANCE_ID,
            "/latest/meta-data/spot/instance-action": SPOT_ACTION,
            "/latest/": "dynamic\nmeta-data\nuser-data",
            "/latest/nothing": 404,
        },
        ipv6={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://[fd00:ec2::254]"},
        variables=_JS,
        absent=("//latest/nothing",),
    ),
    Client(
        "AWS SDK for JavaScript 2",
        "npm:aws-sdk",
        "`EC2MetadataCredentials`, and the region by `MetadataService`",
        ("{node}", "{programs}/ask_js_v2.cjs"),
        lambda served: _javascript(served) | {"region": REGION},
        ipv6=IPV6_MODE,
        variables=_JS,
    ),
    Client(
        "AWS Common Runtime",
        "pypi:awscrt",
        "credentials of the default chain",
        ("{python}", "{programs}/ask_awscrt.py"),
        lambda served: served.keys,
        without_tokens=lambda served: served.keys,
        ipv6=IPV6_MODE,
    ),
    Client(
        "AWS SDK for C++, in pyarrow",
        "pypi:pyarrow",
        "who signs",
        ("{python}", "{programs}/ask_pyarrow.py"),
        lambda served: served.signer(_DEFAULT_REGION) | {"region": _DEFAULT_REGION},
        without_tokens=lambda served: served.signer(_DEFAULT_REGION) | {"region": _DEFAULT_REGION},
        ipv6=IPV6_MODE,
    ),
    Client(
        "AWS SDK for Rust, in deltalake",
        "pypi:deltalake",
        "who signs",
        (*_SIGN, "{python}", "{programs}/ask_deltalake.py"),
        _signed_for(_DEFAULT_REGION),
        ipv6=IPV6_MODE,
    ),
    Client(
        "object_store (Rust), in obstore",
        "pypi:obstore",
        "who signs",
        ("{python}", "{programs}/ask_obstore.py"),
        _signed_for(_DEFAULT_REGION),
        ipv6={"AWS_METADATA_ENDPOINT": "http://[fd00:ec2::254]"},
    ),
    Client(
        "AWS SDK for Go 1, in rclone",
        "debian:rclone",
        "who signs",
        (
            *(*_SIGN, "{debian}/usr/bin/rclone", "--config", "/dev/null", "lsf"),
            # With AWS as its provider, rclone would send the bucket's name as the host.
            ":s3,provider=Minio,env_auth=true,endpoint='{{url}}':bucket",
        ),
        _signed_for(_DEFAULT_REGION),
        ipv6=IPV6_MODE,
    ),
    Client(
        "AWS SDK for Go 2, in amazon-ecr-credential-helper",
        "debian:amazon-ecr-credential-helper",
        "who signs",
        (*_SIGN, "{debian}/usr/bin/docker-credential-ecr-login", "get"),
        _signed_for(REGION),
        without_tokens=_signed_for(REGION),
        ipv6=IPV6_MODE,
        variables={"AWS_MAX_ATTEMPTS": "1"},
        stdin=f"210987654321.dkr.ecr.{REGION}.amazonaws.com\n",
    ),
    Client(
        "minio-go, in restic",
        "debian:restic",
        "who signs",
        (*_SIGN, "{debian}/usr/bin/restic", "-r", "s3:{{url}}/bucket", "--no-cache", "snapshots"),
        _signed_for(_DEFAULT_REGION),
        without_tokens=_signed_for(_DEFAULT_REGION),
        ipv6=None,
        variables={"RESTIC_PASSWORD": "password"},
    ),
)
