"""The environment in which AWS SDKs, the AWS CLI and `imds-mock ctl` find a mock at its own URL.

Source: the credential provider chains and IMDS settings in the "AWS SDKs and Tools Reference Guide".
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT: Final = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
CONTROL_URL: Final = "IMDS_MOCK_CONTROL_URL"

REMOVED: Final = (
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""Variables that keep an SDK from asking the mock: other credentials, profiles, and settings of the IMDS client."""

SHARED_FILES: Final = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
"""Variables that name the files below `~/.aws`, whose credentials SDKs use before those of the mock."""

_EMPTY_FILE: Final = "nul" if sys.platform == "win32" else "/dev/null"
_PROXIES: Final = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_NO_PROXY: Final = ("no_proxy", "NO_PROXY")


def environment_changes(
    environ: Mapping[str, str], endpoint_url: str, control_url: str | None
) -> dict[str, str | None]:
    """The variables to set, and those to remove (None), so that clients in this environment ask the mock.

    `AWS_REGION` and `AWS_DEFAULT_REGION` stay: boto3 does not ask the metadata service for a region.

    Args:
        environ: The environment to change.
        endpoint_url: The mock's URL.
        control_url: The URL of its control plane, for `imds-mock ctl`; None if it is off.
    """
    changes: dict[str, str | None] = dict.fromkeys(REMOVED)
    changes |= dict.fromkeys(SHARED_FILES, _EMPTY_FILE)
    changes |= {ENDPOINT: endpoint_url, CONTROL_URL: control_url}
    if any(environ.get(name) for name in _PROXIES):
        host = urlsplit(endpoint_url).hostname or ""
        changes |= {name: ",".join(filter(None, (environ.get(name), host))) for name in _NO_PROXY}
    return changes


def client_environment(environ: Mapping[str, str], endpoint_url: str, control_url: str | None) -> dict[str, str]:
    """A copy of an environment in which clients ask the mock; see `environment_changes`."""
    changed = {**environ, **environment_changes(environ, endpoint_url, control_url)}
    return {name: value for name, value in changed.items() if value is not None}
