"""A source of credentials whose results a test scripts, and whose clock sleeping advances."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from imds_mock.credentials.refresher import (
    RefresherDependencies,
)
from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials, FetchError

NOW = 1_750_000_000.0
HOUR = 3600.0
REQUEST = CredentialRequest("eu-west-1", 3600, HOUR, role_arn="arn:aws:iam::123456789012:role/web")
SECRET = "planted-secret"  # noqa: S105 - planted, to be looked for


class ScriptEnd(Exception):  # noqa: N818 - no error
    """The refresher fetches after the last scripted result."""


def credentials(number: int, expiration: float | None) -> FetchedCredentials:
    return FetchedCredentials(f"ASIA{number}", SECRET, f"token {number}", expiration)


def unreachable() -> FetchError:
    return FetchError("unreachable", "http://sts cannot be reached")


def refused() -> FetchError:
    return FetchError("refused", "AssumeRole was refused")


@dataclass
class FakeAws:
    """A clock that sleeping advances, and scripted results of fetches."""

    script: list[FetchedCredentials | FetchError]
    now: float = NOW
    random: float = 0.0
    calls: list[float] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    is_configured: bool = True
    changes: list[float] = field(default_factory=list)

    def dependencies(self) -> RefresherDependencies:
        return RefresherDependencies(
            self.fetch,
            lambda: self.now,
            self.sleep,
            lambda: self.random,
            self.logged.append,
            lambda _: self.is_configured,
            lambda: self.changes.append(self.now),
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def fetch(self, request: CredentialRequest) -> FetchedCredentials:
        assert request == REQUEST
        self.calls.append(self.now - NOW)
        if not self.script:
            raise ScriptEnd
        result = self.script.pop(0)
        if isinstance(result, FetchError):
            raise result
        return result
