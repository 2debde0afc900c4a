"""A mock in a container, for tests with testcontainers: `with ImdsContainer() as imds:`; see docs/testcontainers.md."""

try:
    import testcontainers.core.container  # noqa: F401 - only to name what is missing
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"testcontainers", "docker"}:
        raise
    raise ModuleNotFoundError(
        "imds_mock.testcontainers needs the package testcontainers; run: pip install 'imds-mock[testcontainers]'",
        name=error.name,
    ) from error

from imds_mock.config.errors import ConfigError
from imds_mock.ctl.client import RefusedError
from imds_mock.scheduling.fields import FieldError
from imds_mock.testcontainers.container import ImdsContainer
from imds_mock.testcontainers.errors import ImdsContainerError
from imds_mock.testing.handles import EventHandle, FaultHandle
from imds_mock.testing.requests import Request, Requests

__all__ = [
    "ConfigError",
    "EventHandle",
    "FaultHandle",
    "FieldError",
    "ImdsContainer",
    "ImdsContainerError",
    "RefusedError",
    "Request",
    "Requests",
]
