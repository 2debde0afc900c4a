"""The AWS SDKs for Python, each in an environment of its own: aiobotocore needs an older botocore than boto3."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from support.conformance.sdk import METADATA, METADATA_ASYNC, REGION, SOURCES, Sdk, built, install_python

if TYPE_CHECKING:
    from pathlib import Path

_KEY: Final = "python"
_PACKAGES: Final = ("boto3", "aiobotocore", "awscrt")
_NO_METADATA: Final = {METADATA: "no public client", METADATA_ASYNC: "no public client"}


def _install(folder: Path) -> None:
    for package in _PACKAGES:
        install_python(folder / package, SOURCES / _KEY / f"{package}.lock")


def _program(package: str) -> tuple[str | Path, ...]:
    folder = built(_KEY, _install, sys.version)
    return folder / package / "bin/python", SOURCES / _KEY / "program.py", package


def _version(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", (SOURCES / _KEY / f"{package}.lock").read_text(), re.MULTILINE)
    assert found is not None, f"{package} is missing from its lock file"
    return found[1]


SDKS: Final = (
    Sdk(
        "AWS SDK for Python, boto3",
        lambda: _program("boto3"),
        lambda: _version("boto3"),
        lacks=_NO_METADATA,
    ),
    Sdk(
        "boto3 with `AWS_METADATA_SERVICE_NUM_ATTEMPTS=3`",
        lambda: _program("boto3"),
        lambda: _version("boto3"),
        lacks=_NO_METADATA,
        variables={"AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3"},
    ),
    Sdk(
        "aiobotocore",
        lambda: _program("aiobotocore"),
        lambda: _version("aiobotocore"),
        lacks=_NO_METADATA,
    ),
    Sdk(
        "AWS Common Runtime for Python, awscrt",
        lambda: _program("awscrt"),
        lambda: _version("awscrt"),
        lacks={REGION: "not in the Python binding", **_NO_METADATA},
    ),
)
