"""EC2 instance metadata service (IMDS) for development and tests.

`async with Mock({"instance": {"region": "eu-west-1"}}, port=0) as mock:` serves at `mock.endpoint_url`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imds_mock.run.dependencies import Dependencies
    from imds_mock.run.mock import Mock
    from imds_mock.run.reloading import ConfigSource

__all__ = ["ConfigSource", "Dependencies", "Mock"]


_MODULES: Final = {"ConfigSource": "reloading", "Dependencies": "dependencies", "Mock": "mock"}


def __getattr__(name: str) -> object:
    # Imported on first use: the subcommands of the program do without it.
    if name in _MODULES:
        return getattr(importlib.import_module(f"imds_mock.run.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
