"""AsyncAws, the AWS client of Symfony, from Debian 13's packages.

Debian has no package of the AWS SDK for PHP itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.conformance import debian13
from support.conformance.sdk import METADATA, METADATA_ASYNC, NO_IPV6, REGION, SOURCES, Sdk, built

if TYPE_CHECKING:
    from pathlib import Path

_KEY: Final = "php"
_CLIENT: Final = "php-async-aws-core"
_PACKAGES: Final = (
    *("php8.4-cli", "libargon2-1", "libbsd0", "libedit2", "libgcc-s1", "libicu76", "liblzma5", "libmd0"),
    *("libpcre2-8-0", "libsodium23", "libssl3t64", "libstdc++6", "libtinfo6", "libxml2", "libzstd1", "zlib1g"),
    *(_CLIENT, "php-symfony-http-client", "php-symfony-http-client-contracts", "php-symfony-service-contracts"),
    *("php-symfony-deprecation-contracts", "php-psr-container", "php-psr-log"),
)
_NO_CLIENT: Final = "AsyncAws has no client for metadata"


def _root() -> Path:
    return built(_KEY, lambda folder: debian13.unpack(_PACKAGES, folder), debian13.SUITE, *_PACKAGES)


def _command() -> tuple[str | Path, ...]:
    root = _root()
    php = debian13.command(root, "usr/bin/php8.4")
    return (*php, "-n", "-d", f"include_path={root / 'usr/share/php'}", SOURCES / _KEY / "ask.php")


SDKS: Final = (
    Sdk(
        "AsyncAws for PHP, default chain",
        _command,
        lambda: debian13.version_of(_root(), _CLIENT),
        lacks={
            REGION: "only from the environment and files",
            METADATA: _NO_CLIENT,
            METADATA_ASYNC: _NO_CLIENT,
            NO_IPV6: "the IPv4 address is fixed",
        },
    ),
)
