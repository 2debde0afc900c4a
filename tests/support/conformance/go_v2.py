"""The AWS SDK for Go v2: its default configuration, and its client of the metadata service."""

from __future__ import annotations

from typing import Final

from support.conformance.go import build, version_of
from support.conformance.sdk import CONTAINER_CREDENTIALS, METADATA, METADATA_ASYNC, REGION, Sdk, over_ipv6

_KEY: Final = "go_v2"
_SDK: Final = "github.com/aws/aws-sdk-go-v2"
_SYNCHRONOUS: Final = {METADATA_ASYNC: "Go has one form of each call"}

SDKS: Final = (
    Sdk(
        "AWS SDK for Go v2, `LoadDefaultConfig`",
        lambda: (build(_KEY), "chain"),
        lambda: version_of(_KEY, f"{_SDK}/config"),
        lacks={
            METADATA: "in the client",
            over_ipv6(REGION): "`WithEC2IMDSRegion` always uses IPv4",
            **_SYNCHRONOUS,
        },
    ),
    Sdk(
        "AWS SDK for Go v2, `imds.Client` and `ec2rolecreds`",
        lambda: (build(_KEY), "client"),
        lambda: version_of(_KEY, f"{_SDK}/feature/ec2/imds"),
        lacks={CONTAINER_CREDENTIALS: "in the default configuration", **_SYNCHRONOUS},
    ),
)
