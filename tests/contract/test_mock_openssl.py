"""The identity document and its three signatures, verified with openssl as in the EC2 User Guide."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from support.paths import IMDS_MOCK
from support.reference_instance import ACCOUNT, INSTANCE_ID, LAUNCHED, REGION, ZONE

if TYPE_CHECKING:
    from pathlib import Path

    from support.imds_program import ImdsProgram
    from support.instances import Instances

IDENTITY = "/latest/dynamic/instance-identity"
KEYS_IN_ORDER = [
    *("accountId", "architecture", "availabilityZone", "billingProducts", "devpayProductCodes"),
    *("marketplaceProductCodes", "imageId", "instanceId", "instanceType", "kernelId", "pendingTime", "privateIp"),
    *("ramdiskId", "region", "version"),
]


@pytest.fixture(params=["optional", "required"])
def imds(request: pytest.FixtureRequest, instances: Instances) -> ImdsProgram:
    return instances[request.param]


@pytest.fixture
def certificates(imds: ImdsProgram, tmp_path: Path) -> Path:
    """The output folder of `certs export`."""
    folder = tmp_path / "certificates"
    imds.run([IMDS_MOCK, "certs", "export", folder, "--config", imds.configuration])
    return folder


def read(imds: ImdsProgram, name: str, path: Path) -> str:
    """Write a leaf to a file with `curl -o`."""
    token = imds.token()
    imds.curl(f"{IDENTITY}/{name}", "-f", "-H", f"X-aws-ec2-metadata-token: {token}", "-o", str(path))
    return path.read_text()


def test_the_document_describes_the_instance(imds: ImdsProgram, tmp_path: Path) -> None:
    document = read(imds, "document", tmp_path / "document")
    assert not document.endswith("\n")
    assert document.startswith(f'{{\n  "accountId" : "{ACCOUNT}",\n')
    facts = json.loads(document)
    assert list(facts) == KEYS_IN_ORDER
    assert (facts["instanceId"], facts["region"], facts["availabilityZone"]) == (INSTANCE_ID, REGION, ZONE)
    assert (facts["pendingTime"], facts["billingProducts"]) == (LAUNCHED, None)


def test_the_signature_verifies_with_the_certificate(imds: ImdsProgram, certificates: Path, tmp_path: Path) -> None:
    read(imds, "document", tmp_path / "document")
    wrapped = read(imds, "signature", tmp_path / "signature.base64")
    assert {len(line) for line in wrapped.split("\n")[:-1]} == {76}
    steps = f"""
    cd {tmp_path}
    base64 -d <signature.base64 >signature
    openssl x509 -in {certificates}/signature.pem -pubkey -noout >key
    openssl dgst -sha256 -verify key -signature signature document
    printf x >>document
    openssl dgst -sha256 -verify key -signature signature document && exit 1
    wc -c <signature
    """
    assert imds.run(["sh", "-c", steps]).stdout.split("\n")[:3] == ["Verified OK", "Verification failure", "128"]


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("pkcs7", "MIAGCSqGSIb3DQEHAqCAMIACAQExCzAJBgUrDgMCGgUAMIAG"),
        ("rsa2048", "MIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglghkgBZQMEAgEFADCABgkqhkiG9w0BBwGggCSABIIB"),
    ],
)
def test_a_signed_message_verifies_and_contains_the_document(
    name: str, start: str, imds: ImdsProgram, certificates: Path, tmp_path: Path
) -> None:
    document = read(imds, "document", tmp_path / "document")
    wrapped = read(imds, name, tmp_path / name)
    assert wrapped.replace("\n", "").startswith(start)
    assert {len(line) for line in wrapped.split("\n")[:-1]} == {76}
    steps = f"""
    cd {tmp_path}
    {{ echo '-----BEGIN PKCS7-----'; cat {name}; echo; echo '-----END PKCS7-----'; }} >signed
    openssl smime -verify -in signed -inform PEM -certfile {certificates}/{name}.pem -noverify
    """
    verified = imds.run(["sh", "-c", steps])
    assert verified.stdout == document
    assert re.search("Verification successful", verified.stderr)
    # It contains no certificate, and the certificate of another key does not verify it.
    other = "rsa2048" if name == "pkcs7" else "pkcs7"
    refused = imds.run(["sh", "-c", steps.replace(f"{name}.pem", f"{other}.pem")], check=False)
    assert refused.returncode != 0


def test_the_document_over_ipv6_is_the_same(instances: Instances, tmp_path: Path) -> None:
    imds = instances["required"]
    options = ("--silent", "--fail", "-H", f"X-aws-ec2-metadata-token: {imds.token()}")
    document = imds.run(["curl", *options, f"http://[fd00:ec2::254]{IDENTITY}/document"]).stdout
    assert document == read(imds, "document", tmp_path / "document")
