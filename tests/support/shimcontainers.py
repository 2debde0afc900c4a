"""A container for end-to-end tests, in which the shim runs and its changes are examined."""

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
INSTANCE_ID_ASKED = ("curl", "-sS", "--max-time", "30", f"{IMDS}/latest/meta-data/instance-id")
RULESETS = {
    # Counters of single rules are shown; those of a chain's policy move with every connection.
    "legacy": ("iptables-legacy-save", "--counters", "--table", "nat"),
    "nft": ("nft", "--stateless", "list", "ruleset"),
}


@dataclass(frozen=True)
class Application:
    """A container with the shim and the firewall programs; `container` is its name."""

    docker: Docker
    container: str

    def run(self, *command: str, check: bool = True, **settings: str) -> Completed:
        """Run a program in the container; keyword arguments in capitals are its environment."""
        words = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        return self.docker("exec", *words, self.container, *command, check=check)

    def shim(self, *command: str, check: bool = True, **settings: str) -> Completed:
        """Run the shim in the container; MOCK_HOSTNAME defaults to `mock_metadata`."""
        return self.run(SHIM, *command, check=check, **{"MOCK_HOSTNAME": "mock_metadata", **settings})

    def rules(self) -> list[tuple[str, str]]:
        """Return back end and target of each of the shim's rules, for IPv4 and IPv6."""
        found = []
        for name, command in [*RULESETS.items(), ("legacy", ("ip6tables-legacy-save",))]:
            ours = [line for line in self.run(*command).stdout.splitlines() if '"imds-shim"' in quoted(line)]
            found += [(name, line.split("dnat to ")[-1].split("--to-destination ")[-1].split()[0]) for line in ours]
        return found

    def routes(self) -> str:
        """Return the routes to the endpoints, as `ip route` shows them."""
        return self.run("ip", "route", "show", "169.254.169.254/32").stdout

    def foreign(self) -> str:
        """Return other programs' rules in both back ends, byte for byte."""
        legacy, nft = (self.run(*command).stdout for command in RULESETS.values())
        lines = [line for line in legacy.splitlines() if not line.startswith("#") and "imds-shim" not in line]
        return "\n".join(re.sub(r"^(:.*) \[.*\]$", r"\1", line) for line in lines) + without_ours(nft)

    def address(self, network: str) -> str:
        """Return the container's IPv4 address on one of its networks."""
        return address(self.docker, self.container, network)


def quoted(line: str) -> str:
    """Whether it is the shim's rule; the two programs write the comment with and without quotation marks."""
    return line.replace("--comment imds-shim", '--comment "imds-shim"')


def without_ours(ruleset: str) -> str:
    """Return `nft list ruleset` without the shim's tables."""
    return re.sub(r"^table ip6? imds_shim \{\n.*?^\}\n", "", ruleset, flags=re.MULTILINE | re.DOTALL)


def address(docker: Docker, container: str, network: str) -> str:
    """Return a container's IPv4 address on a network."""
    networks = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container).stdout)
    return str(networks[network]["IPAddress"])


@contextlib.contextmanager
def application(docker: Docker, image: str, *options: str, networks: Sequence[str]) -> Iterator[Application]:
    """Run such a container on these networks, with NET_ADMIN and these options, until the block ends."""
    first, *others = networks
    words = ["--network", first, "--cap-add", "NET_ADMIN", "--entrypoint", "sleep", *options]
    with docker.container(image, ["3600"], words) as container:
        for other in others:
            docker("network", "connect", other, container)
        yield Application(docker, container)
