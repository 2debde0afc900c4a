"""A real client of the metadata service: how it runs, what it should read, and what it did read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from client_install import Clients
    from support.imds_program import ImdsProgram, LoggedRequest
    from support.reference_instance import ServedValues

PROGRAMS: Final = Path(__file__).parents[1] / "clients"
IPV6_MODE: Final = {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}
ENDPOINTS: Final = {4: "http://169.254.169.254", 6: "http://[fd00:ec2::254]"}


@dataclass(frozen=True)
class Client:
    """A program or library, as users install it.

    Attributes:
        name: Its usual name.
        package: `pypi:`, `npm:` or `debian:`, followed by the name of the package.
        reads: What the test compares, for the page.
        argv: Command line, with placeholders in braces (`placeholders`).
        expected: Returns the expected result of `seen`, given the values that the instance serves.
        without_tokens: The same if tokens are optional and no token response arrives; None: the client fails then, or
            waits for minutes.
        ipv6: Variables that select the IPv6 endpoint; None: the client does not support it.
        variables: Environment variables, with placeholders.
        seen: Converts its output into the value to compare.
        stdin: Standard input.
        absent: Paths that it requests although they are optional, and that this instance does not have.
    """

    name: str
    package: str
    reads: str
    argv: tuple[str, ...]
    expected: Callable[[ServedValues], Any]
    without_tokens: Callable[[ServedValues], Any] | None = None
    ipv6: Mapping[str, str] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    seen: Callable[[str], Any] = json.loads
    absent: tuple[str, ...] = ()
    stdin: str = ""

    def run(self, imds: ImdsProgram, clients: Clients, family: int) -> Any:
        """Run it with a mock as the metadata service; returns what it has read."""
        named = placeholders(clients) | {"endpoint": ENDPOINTS[family]}
        variables = {key: value.format_map(named) for key, value in self.variables.items()}
        if family == 6:
            assert self.ipv6 is not None
            variables |= self.ipv6
        return self.seen(
            imds.run([word.format_map(named) for word in self.argv], stdin=self.stdin, variables=variables).stdout
        )


@dataclass(frozen=True)
class Run:
    """One run of a client: what it read, what it should have read, and its requests."""

    seen: Any
    expected: Any
    asked: list[LoggedRequest]


def placeholders(clients: Clients) -> dict[str, str]:
    """The values of the placeholders in a client's command line and variables."""
    return {
        "python": str(clients.python),
        "bin": str(clients.python.parent),
        "node": str(clients.node),
        "modules": str(clients.modules / "node_modules"),
        "collections": str(clients.collections),
        "debian": str(clients.debian),
        "packages": str(clients.debian / "usr/lib/python3/dist-packages"),
        "programs": str(PROGRAMS),
    }


def version_of(client: Client) -> str:
    """The version that the lock files or the Debian release pin."""
    registry, _, package = client.package.partition(":")
    if registry == "debian":
        return "Debian 13's"
    if registry == "npm":
        lock = json.loads((PROGRAMS / "package-lock.json").read_text())
        return str(lock["packages"][f"node_modules/{package}"]["version"])
    for lock_file in ("requirements.lock", "collections.lock"):
        pinned = re.search(rf"^{re.escape(package)}==(\S+)", (PROGRAMS / lock_file).read_text(), re.MULTILINE)
        if pinned:
            return pinned[1]
    raise AssertionError(f"{client.package} is missing from the lock files")


# Programs that print the credentials that an SDK's default chain finds in a container.
BOTO3 = """
import boto3, json
found = boto3.Session().get_credentials()
frozen = found.get_frozen_credentials()
print(json.dumps([found.method, frozen.access_key, frozen.secret_key, frozen.token, frozen.account_id]))
"""
JAVASCRIPT = """
const { fromNodeProviderChain } = require("@aws-sdk/credential-providers");
fromNodeProviderChain()().then((found) => console.log(
  JSON.stringify(["", found.accessKeyId, found.secretAccessKey, found.sessionToken, found.accountId ?? null])));
"""
