"""All SDKs, in the order of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.conformance import (
    cpp,
    go_v1,
    go_v2,
    java_v1,
    java_v2,
    javascript,
    micronaut,
    php,
    python,
    ruby,
    rust,
    spring_cloud_aws,
)

if TYPE_CHECKING:
    from support.conformance.sdk import Sdk

SDKS: Final[tuple[Sdk, ...]] = (
    *go_v2.SDKS,
    *go_v1.SDKS,
    *python.SDKS,
    *rust.SDKS,
    *javascript.SDKS,
    *ruby.SDKS,
    *php.SDKS,
    *cpp.SDKS,
    *java_v2.SDKS,
    *java_v1.SDKS,
    *spring_cloud_aws.SDKS,
    *micronaut.SDKS,
)
