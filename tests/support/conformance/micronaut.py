"""Micronaut AWS: the beans for credentials and region, and the EC2 instance that Micronaut discovers."""

from __future__ import annotations

from typing import Final

from support.conformance.jvm import build, version_of
from support.conformance.sdk import METADATA, METADATA_ASYNC, Sdk, over_imdsv2

_KEY: Final = "micronaut"

SDKS: Final = (
    Sdk(
        "Micronaut AWS, beans and EC2 instance metadata",
        lambda: build(_KEY),
        lambda: f"{version_of(_KEY, 'micronaut-aws-common')}, SDK for Java {version_of(_KEY, 'auth')}",
        lacks={
            METADATA_ASYNC: "the instance is discovered once",
            over_imdsv2(METADATA): "it requests no token; if tokens are required, all properties are null",
        },
    ),
)
