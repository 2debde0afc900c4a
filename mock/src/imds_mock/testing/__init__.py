"""Mocks for tests: `with ImdsMock(region="eu-west-1") as mock:` serves at `mock.endpoint_url`; see docs/testing.md."""

from imds_mock.config.errors import ConfigError
from imds_mock.scheduling.fields import FieldError
from imds_mock.testing.handles import AsyncEventHandle, AsyncFaultHandle, EventHandle, FaultHandle
from imds_mock.testing.mocks import AsyncImdsMock, ImdsMock
from imds_mock.testing.requests import Request, Requests
from imds_mock.testing.scenarios import PlayedScenario
from imds_mock.testing.thread import MockCrashedError

__all__ = [
    "AsyncEventHandle",
    "AsyncFaultHandle",
    "AsyncImdsMock",
    "ConfigError",
    "EventHandle",
    "FaultHandle",
    "FieldError",
    "ImdsMock",
    "MockCrashedError",
    "PlayedScenario",
    "Request",
    "Requests",
]
