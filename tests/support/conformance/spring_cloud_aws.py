"""Spring Cloud AWS: the beans for credentials and region, and the instance metadata among Spring's properties."""

from __future__ import annotations

from typing import Final

from support.conformance.jvm import build, version_of
from support.conformance.sdk import METADATA_ASYNC, Sdk

_KEY: Final = "spring_cloud_aws"

SDKS: Final = (
    Sdk(
        "Spring Cloud AWS, beans and IMDS properties",
        lambda: build(_KEY),
        lambda: f"{version_of(_KEY, 'spring-cloud-aws-core')}, SDK for Java {version_of(_KEY, 'auth')}",
        lacks={METADATA_ASYNC: "properties are read at the start"},
    ),
)
