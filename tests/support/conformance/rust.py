"""The AWS SDK for Rust: its default chain, its default region provider and its client of the metadata service."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Final

from support.conformance.sdk import CACHE, METADATA_ASYNC, SOURCES, Sdk, built, run_build
from toolchains import from_debian

if TYPE_CHECKING:
    from pathlib import Path

_KEY: Final = "rust"
_SDK: Final = "aws-config"
_PROGRAM: Final = "conformance"
_TARGET: Final = CACHE / "rust-target"


def _build() -> Path:
    cargo = from_debian("cargo", ("cargo",), ("--version",), (1, 94))
    release = subprocess.run([cargo, "--version"], capture_output=True, text=True, check=True).stdout

    def build(folder: Path) -> None:
        run_build(cargo, "build", "--quiet", "--locked", folder=SOURCES / _KEY, CARGO_TARGET_DIR=str(_TARGET))
        shutil.copy(_TARGET / "debug" / _PROGRAM, folder)
        # The compiled dependencies take 330 MB, and are only used if a source or the compiler changes.
        shutil.rmtree(_TARGET)

    return built(_KEY, build, release) / _PROGRAM


def _version() -> str:
    lock = tomllib.loads((SOURCES / _KEY / "Cargo.lock").read_text())
    return next(str(package["version"]) for package in lock["package"] if package["name"] == _SDK)


SDKS: Final = (
    Sdk(
        "AWS SDK for Rust, default chain, `imds::Client`",
        lambda: (_build(),),
        _version,
        lacks={METADATA_ASYNC: "every call is asynchronous"},
    ),
)
