"""Where the shim runs, and what messages call the things that a user changes there.

Only messages use it, so a start that succeeds does not load it, unless it starts a follower. Every kubelet sets
KUBERNETES_SERVICE_HOST; Docker and Podman leave a file in each container. Without any of them, the engine is unknown
or the shim runs outside a container.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imds_shim.frozen_record import FrozenRecord
from imds_shim.system import raw_arguments, raw_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Literal

    Kind = Literal["kubernetes", "podman", "docker", "unknown"]

_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_PODMAN, _DOCKER = "/run/.containerenv", "/.dockerenv"
_ANOTHER_NAMESPACE = "imds-mock.NAMESPACE.svc"
# Docker 28 drops packets to the address of a container that do not come from its network (raw PREROUTING), so a network
# with an ordinary container at 169.254.169.254 blocks the address on all networks of that engine.
_BLOCKED = (
    "; with Docker 28 or newer, another project whose network contains 169.254.169.254 (link-local-network) blocks "
    "this one: stop it, or use MOCK_ROUTE=nat"
)


class Surroundings(FrozenRecord):
    """The words for one kind of surroundings, in advice."""

    kind: Kind
    is_init: bool = False

    @property
    def in_pod(self) -> bool:
        """Whether the shim runs in a Pod of Kubernetes."""
        return self.kind == "kubernetes"

    @property
    def _run(self) -> str:
        return "podman run" if self.kind == "podman" else "docker run"

    @property
    def _container(self) -> str:
        return "init container" if self.is_init else "container"

    def grant(self, names: Iterable[str]) -> str:
        """How to grant capabilities to a container that starts as root."""
        listed = ", ".join(names)
        if self.in_pod:
            return (
                f"Add `securityContext.capabilities.add: [{listed}]` to this {self._container} in the Pod's manifest; "
                "the namespace must allow it (Pod Security `privileged`)"
            )
        outside = ", or outside a container start the shim as root" if self.kind == "unknown" else ""
        return (
            f"Add `cap_add: [{listed}]` to this service in the compose file ({self._run}: {_options(listed)}){outside}"
        )

    def grant_to_user(self, names: Iterable[str], user: int) -> str:
        """How to grant capabilities to a container that starts as another user than root."""
        listed = ", ".join(names)
        start = f"The container starts as user {user}, which has no capabilities."
        drops = "The shim drops root and capabilities before the command runs"
        if self.in_pod:
            instead = "" if self.is_init else f", and MOCK_USER={user} in `env`. {drops}"
            return (
                f"{start} In the Pod's manifest, set `runAsUser: 0`, `runAsNonRoot: false` and `capabilities.add: "
                f"[{listed}]` in the `securityContext` of this {self._container}{instead}"
            )
        outside = ". Outside a container, start the shim as root" if self.kind == "unknown" else ""
        return (
            f"{start} In the compose file, remove `user:`, set MOCK_USER={user} and add `cap_add: [{listed}]` "
            f"({self._run}: {_options(listed)} --env MOCK_USER={user} instead of --user). {drops}. A network with "
            f"link_local_ips needs none{outside}"
        )

    def allowed_by(self, name: str) -> str:
        """The line that grants one capability, as the subject of a sentence."""
        return f"`securityContext.capabilities.add: [{name}]`" if self.in_pod else f"`cap_add: [{name}]`"

    def lines_to_change(
        self, capabilities: Sequence[str], environment: Mapping[str, str], user: int | None
    ) -> list[str]:
        """The lines that make a start succeed; `user` is the container's user, None for root."""
        if self.in_pod:
            return self._lines_of_pod(capabilities, environment, user)
        lines = []
        if user is not None:
            lines += ["remove this from the service in the compose file:", f"    user: {user}"]
        if not (capabilities or environment):
            return lines
        lines.append("add this to the service in the compose file:")
        lines += [f"    cap_add: [{', '.join(capabilities)}]"] if capabilities else []
        lines += ["    environment:"] if environment else []
        lines += [f'      {name}: "{value}"' for name, value in environment.items()]
        options = [f"--env {name}={value}" for name, value in environment.items()]
        options += [_options(", ".join(capabilities))] if capabilities else []
        return [*lines, f"with {self._run}: {' '.join(options)}"]

    def _lines_of_pod(self, capabilities: Sequence[str], environment: Mapping[str, str], user: int | None) -> list[str]:
        lines = ["    env:"] if environment else []
        lines += [f'      - {{name: {name}, value: "{value}"}}' for name, value in environment.items()]
        lines += ["    securityContext:"] if capabilities or user is not None else []
        lines += ["      runAsUser: 0", "      runAsNonRoot: false"] if user is not None else []
        lines += ["      capabilities:", f"        add: [{', '.join(capabilities)}]"] if capabilities else []
        return [f"set this for the {self._container} in the Pod's manifest:", *lines] if lines else []

    @property
    def mock_example(self) -> str:
        """A value of MOCK_HOSTNAME."""
        return "imds-mock" if self.in_pod else "mock_metadata"

    @property
    def mock_name(self) -> str:
        """What MOCK_HOSTNAME is, with examples."""
        if self.in_pod:
            return (
                f"the name of the mock's Service, for example imds-mock or {_ANOTHER_NAMESPACE}; the ConfigMap "
                "imds-sidecar of the namespace usually sets it"
            )
        return "the name or IP address of the mock, for example mock_metadata"

    @property
    def check_name(self) -> str:
        """What to check if the mock's name has no address."""
        if self.in_pod:
            return (
                "Check that MOCK_HOSTNAME is the name of the mock's Service, with its namespace if that is another one "
                f"(MOCK_HOSTNAME: {_ANOTHER_NAMESPACE}), and that the Service exists"
            )
        return (
            "Check the name in MOCK_HOSTNAME, that the mock runs, and that both containers are on one network "
            f"({self._run}: --network NAME)"
        )

    @property
    def check_mock(self) -> str:
        """What to check if no IMDS answers at the mock's address."""
        if self.in_pod:
            return (
                "Check that MOCK_HOSTNAME and MOCK_PORT are those of the mock's Service, that the mock's Pod is ready, "
                "and that no NetworkPolicy keeps this Pod from it"
            )
        return "Check MOCK_HOSTNAME and MOCK_PORT, and that the mock runs"

    @property
    def translator(self) -> str:
        """What may change the source address of packets to the mock."""
        return "kube-proxy's masquerading or a proxy" if self.in_pod else "a router or proxy that translates addresses"

    @property
    def give_ipv4(self) -> str:
        """How a mock with IPv6 alone gets an IPv4 address."""
        return "give the mock's Service IPv4 (`ipFamilies`)" if self.in_pod else "give the mock's network IPv4"

    @property
    def repeat_command(self) -> str:
        """What to do if the command is missing."""
        if self.in_pod:
            return (
                "Kubernetes drops the image's CMD when a container has `command:`: repeat it as `args:` in the Pod's "
                "manifest, or use --init in an init container"
            )
        return (
            "Docker drops the image's CMD when ENTRYPOINT changes: repeat it as CMD in the Dockerfile or as `command:` "
            "in the compose file"
        )

    @property
    def check_command(self) -> str:
        """What to check if the command cannot be started."""
        where = "`args:` in the Pod's manifest" if self.in_pod else "`command:` in the compose file"
        return f"check CMD in the Dockerfile or {where}"

    @property
    def remove_variable(self) -> str:
        """How to remove a variable."""
        return f"remove it from the {'container' if self.in_pod else 'service'}'s environment"

    @property
    def held_address(self) -> str:
        """How a mock holds 169.254.169.254 itself, in parentheses, and what blocks that address on an engine."""
        return "" if self.in_pod else " (link_local_ips)"

    @property
    def blocked(self) -> str:
        """What else may keep packets from a mock that holds 169.254.169.254, after a clause."""
        return _BLOCKED if self.kind in ("docker", "unknown") else ""

    @property
    def foreign_namespace(self) -> str:
        """An example of a network namespace that belongs to another user namespace, in parentheses."""
        example = "hostNetwork: true" if self.in_pod else "network_mode: host in a rootless engine"
        return f"(for example, {example})"


def _options(listed: str) -> str:
    return " ".join(f"--cap-add {name}" for name in listed.split(", "))


def detect(environ: Iterable[bytes], exists: Callable[[str], bool] = os.path.exists) -> Kind:
    """Return where the shim runs, from raw `NAME=value` entries and the files that engines leave."""
    # CRI-O leaves Podman's file.
    if any(entry.startswith(b"KUBERNETES_SERVICE_HOST=") for entry in environ) or exists(_SERVICE_ACCOUNT):
        return "kubernetes"
    if exists(_PODMAN):
        return "podman"
    return "docker" if exists(_DOCKER) else "unknown"


def here() -> Surroundings:
    """Return the surroundings of this process."""
    return Surroundings(detect(raw_environ()), is_init=raw_arguments()[:1] == [b"--init"])
