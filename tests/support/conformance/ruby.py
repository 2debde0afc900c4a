"""The AWS SDK for Ruby, from Debian 13's packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.conformance import debian13
from support.conformance.sdk import METADATA_ASYNC, REGION, SOURCES, Sdk, built

if TYPE_CHECKING:
    from pathlib import Path

_KEY: Final = "ruby"
_SDK: Final = "ruby-aws-sdk-core"
_PACKAGES: Final = (
    *("ruby3.3", "libruby3.3", "libcrypt1", "libffi8", "libgmp10", "libssl3t64", "libyaml-0-2", "libzstd1", "zlib1g"),
    *(_SDK, "ruby-aws-eventstream", "ruby-aws-partitions", "ruby-aws-sigv4", "ruby-jmespath"),
)


def _root() -> Path:
    return built(_KEY, lambda folder: debian13.unpack(_PACKAGES, folder), debian13.SUITE, *_PACKAGES)


def _command() -> tuple[str | Path, ...]:
    root = _root()
    ruby = root / "usr/lib/ruby"
    (release,) = ruby.glob("[0-9]*")
    folders = (
        *(ruby / "vendor_ruby", *sorted((root / "usr/share/rubygems-integration/all/gems").glob("*/lib"))),
        *sorted((ruby / "gems" / release.name / "gems").glob("rexml-*/lib")),
        *(release, debian13.libraries(root) / "ruby" / release.name),
    )
    found = [f"-I{folder}" for folder in folders]
    return (*debian13.command(root, "usr/bin/ruby3.3"), "--disable-gems", *found, SOURCES / _KEY / "ask.rb")


SDKS: Final = (
    Sdk(
        "AWS SDK for Ruby, default chain, `Aws::EC2Metadata`",
        _command,
        lambda: debian13.version_of(_root(), _SDK),
        lacks={REGION: "only from the environment and files", METADATA_ASYNC: "Ruby has one form of each call"},
    ),
)
