"""EC2 instance metadata service (IMDS) for development and tests.

async with Mock({"instance": {"region": "eu-west-1"}}, port=0) as mock:
print(mock.endpoint_url)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imds_mock.run.mock import Dependencies, Mock
    from imds_mock.run.reloading import ConfigSource

__all__ = ["ConfigSource", "Dependencies", "Mock"]


def __getattr__(name: str) -> object:
    # Imported on first use: the subcommands of the program do without it.
    if name in {"Dependencies", "Mock"}:
        from imds_mock.run import mock  # noqa: PLC0415

        return getattr(mock, name)
    if name == "ConfigSource":
        from imds_mock.run.reloading import ConfigSource  # noqa: PLC0415

        return ConfigSource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
