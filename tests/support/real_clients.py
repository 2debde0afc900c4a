"""How a real client is asked what it reads from the instance metadata service, and what of it is shown."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from client_install import Clients
    from support.imds_program import Asked, Imds
    from support.reference_instance import Truth

PROGRAMS: Final = Path(__file__).parents[1] / "clients"
IPV6_MODE: Final = {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}
ENDPOINTS: Final = {4: "http://169.254.169.254", 6: "http://[fd00:ec2::254]"}


@dataclass(frozen=True)
class Client:
    """A program or library as users have it.

    Attributes:
        name: What users call it.
        package: `pypi:`, `npm:` or `debian:` and the package that it is from.
        reads: What the test compares, in words.
        argv: What is run; names in braces are places (`places`).
        expected: What `seen` makes of its output, from what the instance says.
        without_tokens: Likewise, where tokens are optional and no token answer arrives; None: it gives up then, or
            waits for minutes.
        ipv6: Variables that send it to the IPv6 endpoint; None: it knows no such endpoint.
        variables: Variables that it always runs with; names in braces as in `argv`.
        seen: From what it prints to what is compared.
        typed: Its standard input.
        absent: The paths that it asks for although they may not be there, and are not.
    """

    name: str
    package: str
    reads: str
    argv: tuple[str, ...]
    expected: Callable[[Truth], Any]
    without_tokens: Callable[[Truth], Any] | None = None
    ipv6: Mapping[str, str] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    seen: Callable[[str], Any] = json.loads
    absent: tuple[str, ...] = ()
    typed: str = ""

    def run(self, imds: Imds, clients: Clients, family: int) -> Any:
        """Run it where a mock is the metadata service; what it reads."""
        named = places(clients) | {"endpoint": ENDPOINTS[family]}
        variables = {key: value.format_map(named) for key, value in self.variables.items()}
        if family == 6:
            assert self.ipv6 is not None
            variables |= self.ipv6
        return self.seen(
            imds.run([word.format_map(named) for word in self.argv], typed=self.typed, variables=variables).stdout
        )


@dataclass(frozen=True)
class Run:
    """What came of one run of a client: what it read, what it should have read, and what it asked for."""

    seen: Any
    expected: Any
    asked: list[Asked]


def places(clients: Clients) -> dict[str, str]:
    """The names that a client's arguments may use."""
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
    """The version that the lock files or the Debian release fix."""
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
    raise AssertionError(f"{client.package} is in no lock file")


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
