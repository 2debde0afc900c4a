"""The AWS SDK for Java 1: its default chains, and its client of the metadata service."""

from __future__ import annotations

from typing import Final

from support.conformance.jvm import build, version_of
from support.conformance.sdk import METADATA_ASYNC, Sdk

_KEY: Final = "java_v1"

SDKS: Final = (
    Sdk(
        "AWS SDK for Java 1, default chains, `EC2MetadataUtils`",
        lambda: build(_KEY),
        lambda: version_of(_KEY, "aws-java-sdk-core"),
        lacks={METADATA_ASYNC: "`EC2MetadataUtils` has one form of each call"},
        ipv6={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://[fd00:ec2::254]"},
        # Otherwise it prints a stack trace that announces the end of its support.
        variables={"AWS_JAVA_V1_DISABLE_DEPRECATION_ANNOUNCEMENT": "true"},
    ),
)
