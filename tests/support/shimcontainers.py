"""A container that holds a network for the end-to-end tests: the shim runs in it, and what it left is seen."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.containers import IMDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.containers import Completed, Docker

SHIM = "/opt/imds-shim/bin/imds-shim"
INSTANCE_ID_ASKED = ("curl", "-sS", "--max-time", "5", f"{IMDS}/latest/meta-data/instance-id")
RULESETS = {
    # Counters of single rules are shown; those of a chain's policy move with every connection.
    "legacy": ("iptables-legacy-save", "--counters", "--table", "nat"),
    "nft": ("nft", "--stateless", "list", "ruleset"),
}


@dataclass(frozen=True)
class Application:
    """A container with the shim and the tools of the kernel's tables; `container` is its name."""

    docker: Docker
    container: str

    def run(self, *command: str, check: bool = True, **settings: str) -> Completed:
        """Run a program in it; keyword arguments in capitals are its environment."""
        words = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        return self.docker("exec", *words, self.container, *command, check=check)

    def shim(self, *command: str, check: bool = True, **settings: str) -> Completed:
        """Run the shim in it, as `mock_metadata`'s application where nothing else is said."""
        return self.run(SHIM, *command, check=check, **{"MOCK_HOSTNAME": "mock_metadata", **settings})

    def rules(self) -> list[tuple[str, str]]:
        """Back end and target of every rule of ours, over IPv4 and IPv6."""
        found = []
        for name, command in [*RULESETS.items(), ("legacy", ("ip6tables-legacy-save",))]:
            ours = [line for line in self.run(*command).stdout.splitlines() if '"imds-shim"' in quoted(line)]
            found += [(name, line.split("dnat to ")[-1].split("--to-destination ")[-1].split()[0]) for line in ours]
        return found

    def routes(self) -> str:
        """The routes to 169.254.169.254 and its like, as `ip route` shows them."""
        return self.run("ip", "route", "show", "169.254.169.254/32").stdout

    def foreign(self) -> str:
        """All rules of others, in both back ends, byte for byte."""
        legacy, nft = (self.run(*command).stdout for command in RULESETS.values())
        lines = [line for line in legacy.splitlines() if not line.startswith("#") and "imds-shim" not in line]
        return "\n".join(re.sub(r"^(:.*) \[.*\]$", r"\1", line) for line in lines) + without_ours(nft)

    def address(self, network: str) -> str:
        """Its IPv4 address on one of its networks."""
        return address(self.docker, self.container, network)


def quoted(line: str) -> str:
    """The two programs write a comment with and without quotation marks."""
    return line.replace("--comment imds-shim", '--comment "imds-shim"')


def without_ours(ruleset: str) -> str:
    """What `nft list ruleset` says, less our tables."""
    return re.sub(r"^table ip6? imds_shim \{\n.*?^\}\n", "", ruleset, flags=re.MULTILINE | re.DOTALL)


def address(docker: Docker, container: str, network: str) -> str:
    """A container's IPv4 address on a network."""
    networks = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container).stdout)
    return str(networks[network]["IPAddress"])


@contextlib.contextmanager
def application(docker: Docker, image: str, *options: str, networks: Sequence[str]) -> Iterator[Application]:
    """Such a container on these networks, with NET_ADMIN and the options given, for as long as it is needed."""
    first, *others = networks
    words = ["--network", first, "--cap-add", "NET_ADMIN", "--entrypoint", "sleep", *options]
    with docker.container(image, ["3600"], words) as container:
        for other in others:
            docker("network", "connect", other, container)
        yield Application(docker, container)
