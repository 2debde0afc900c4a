"""The AWS SDK for C++, as DuckDB's extension ships it: no registry has the SDK itself."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from support.conformance.sdk import METADATA, METADATA_ASYNC, SOURCES, Sdk, built, install_python

if TYPE_CHECKING:
    from pathlib import Path

_KEY: Final = "cpp"
_NO_CLIENT: Final = "DuckDB exposes none"
# A C string of the SDK. Its second number has been 11 since 2023.
_VERSION: Final = re.compile(rb"\0(1\.\d\d\.\d+)\0")


def _folder() -> Path:
    lock = SOURCES / _KEY / "requirements.lock"
    return built(_KEY, lambda folder: install_python(folder / "python", lock), sys.version)


def _version() -> str:
    (extension,) = _folder().glob("python/lib/python*/site-packages/duckdb_extension_aws/**/aws.duckdb_extension")
    (version,) = {found[1] for found in _VERSION.finditer(extension.read_bytes())}
    return str(version, "ascii")


SDKS: Final = (
    Sdk(
        "AWS SDK for C++, in DuckDB's `load_aws_credentials`",
        lambda: (_folder() / "python/bin/python", SOURCES / _KEY / "ask.py"),
        _version,
        lacks={METADATA: _NO_CLIENT, METADATA_ASYNC: _NO_CLIENT},
    ),
)
