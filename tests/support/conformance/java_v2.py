"""The AWS SDK for Java 2: its default chains, and its own clients of the metadata service and the container agents."""

from __future__ import annotations

from typing import Final

from support.conformance.jvm import build, version_of
from support.conformance.sdk import METADATA, METADATA_ASYNC, Sdk

_KEY: Final = "java_v2"

SDKS: Final = (
    Sdk(
        "AWS SDK for Java 2, default chains",
        lambda: (*build(_KEY), "chain"),
        lambda: version_of(_KEY, "auth"),
        lacks={METADATA: "in `Ec2MetadataClient`", METADATA_ASYNC: "in `Ec2MetadataAsyncClient`"},
    ),
    Sdk(
        "AWS SDK for Java 2, `InstanceProfileCredentialsProvider`, `Ec2MetadataClient`",
        lambda: (*build(_KEY), "client"),
        lambda: f"{version_of(_KEY, 'auth')}, `imds` {version_of(_KEY, 'imds')}",
    ),
)
