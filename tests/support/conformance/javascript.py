"""The AWS SDK for JavaScript v3, as the contract tests install it: its default chain and its providers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import client_install
from support.conformance.sdk import METADATA, METADATA_ASYNC, REGION, SOURCES, Sdk

if TYPE_CHECKING:
    from pathlib import Path

_MODULES: Final = client_install.CACHE / "modules" / "node_modules"
_NO_REGION: Final = "only from the environment and files"
_ONE_FORM: Final = "every call is asynchronous"


def _command(way: str) -> tuple[str | Path, ...]:
    return (client_install.install().node, SOURCES / "javascript" / "ask.cjs", way)


def _version() -> str:
    lock = json.loads((client_install.SOURCES / "package-lock.json").read_text())
    return str(lock["packages"]["node_modules/@aws-sdk/credential-providers"]["version"])


SDKS: Final = (
    Sdk(
        "AWS SDK for JavaScript v3, `fromNodeProviderChain`, `MetadataService`",
        lambda: _command("chain"),
        _version,
        lacks={REGION: _NO_REGION, METADATA_ASYNC: _ONE_FORM},
        variables={"NODE_PATH": str(_MODULES)},
    ),
    Sdk(
        "AWS SDK for JavaScript v3, `fromInstanceMetadata`, `fromHttp`",
        lambda: _command("providers"),
        _version,
        lacks={REGION: _NO_REGION, METADATA: "in `MetadataService`", METADATA_ASYNC: _ONE_FORM},
        variables={"NODE_PATH": str(_MODULES)},
    ),
)
