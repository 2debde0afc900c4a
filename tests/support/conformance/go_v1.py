"""The AWS SDK for Go v1."""

from __future__ import annotations

from typing import Final

from support.conformance.go import build, version_of
from support.conformance.sdk import METADATA_ASYNC, Sdk

_KEY: Final = "go_v1"

SDKS: Final = (
    Sdk(
        "AWS SDK for Go v1, `session.NewSession` and `ec2metadata`",
        lambda: (build(_KEY),),
        lambda: version_of(_KEY, "github.com/aws/aws-sdk-go"),
        lacks={METADATA_ASYNC: "Go has one form of each call"},
    ),
)
