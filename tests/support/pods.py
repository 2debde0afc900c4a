"""Runs Kubernetes manifests with plain containers: what a kubelet does with a Pod, as far as the examples need it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from engine import BASE_IMAGE
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.containers import Docker

FOLDER = ROOT / "examples/kubernetes"


def manifests(path: Path) -> list[dict[str, Any]]:
    """The documents of a file."""
    return list(yaml.safe_load_all(path.read_text()))


def mock() -> tuple[dict[str, Any], dict[str, Any]]:
    """The mock's Service, and the Pod template of its Deployment."""
    service, deployment = manifests(FOLDER / "mock.yaml")
    return service, deployment["spec"]["template"]


def application() -> dict[str, Any]:
    """The application's Pod."""
    (pod,) = manifests(FOLDER / "application.yaml")
    return pod


@dataclass
class Pod:
    """A running Pod: the container that owns its network, and the Pod's containers by name."""

    network: str
    containers: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def running(docker: Docker, pod: dict[str, Any], network: str, *names: str) -> Iterator[Pod]:
    """Run a Pod until the block ends: its namespace, the init containers one after another, then all containers.

    Args:
        docker: The engine.
        pod: Manifest or template.
        network: Docker network that stands in for the cluster's.
        names: Names of the Pod on that network.
    """
    aliases = [word for name in names for word in ("--network-alias", name)]
    with contextlib.ExitStack() as stack:
        # Like a kubelet's pause container: it owns the namespace and has no capability.
        holder = ["--network", network, *aliases, "--cap-drop", "ALL"]
        made = Pod(stack.enter_context(docker.container(BASE_IMAGE, ["sleep", "infinity"], holder)))
        for container in pod["spec"].get("initContainers", []):
            docker("run", "--rm", *options(pod, container, made.network), container["image"], *arguments(container))
        for container in pod["spec"]["containers"]:
            words = options(pod, container, made.network)
            name = stack.enter_context(docker.container(container["image"], arguments(container), words))
            made.containers[container["name"]] = name
        yield made


def options(pod: dict[str, Any], container: dict[str, Any], namespace: str) -> list[str]:
    """The options of `docker run` for a container of a Pod; fails on a field that it does not know."""
    known = {"name", "image", "imagePullPolicy", "args", "env", "ports", "resources", "securityContext", "volumeMounts"}
    assert container.keys() <= known | {"readinessProbe", "livenessProbe"}, container.keys()
    context = pod["spec"]["securityContext"] | container["securityContext"]
    # RuntimeDefault is Docker's default profile.
    assert context.pop("seccompProfile") == {"type": "RuntimeDefault"}
    assert not (context.pop("runAsNonRoot", False) and context["runAsUser"] == 0)
    words = ["--network", f"container:{namespace}"]
    words += ["--user", f"{context.pop('runAsUser')}:{context.pop('runAsGroup', 0)}"]
    words += ["--security-opt", "no-new-privileges"] * (context.pop("allowPrivilegeEscalation") is False)
    words += ["--read-only"] * context.pop("readOnlyRootFilesystem")
    capabilities = context.pop("capabilities")
    words += [word for name in capabilities["drop"] for word in ("--cap-drop", name)]
    words += [word for name in capabilities.get("add", []) for word in ("--cap-add", name)]
    assert context == {}
    for variable in container.get("env", []):
        words += ["--env", f"{variable['name']}={variable['value']}"]
    volumes = {volume["name"]: volume["emptyDir"] for volume in pod["spec"].get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        size = volumes[mount["name"]]["sizeLimit"].removesuffix("i").lower()
        # An emptyDir is writable for every user of the Pod.
        words += ["--tmpfs", f"{mount['mountPath']}:mode=777,size={size}"]
    if "resources" in container:
        words += ["--memory", container["resources"]["limits"]["memory"].removesuffix("i").lower()]
    return words


def arguments(container: dict[str, Any]) -> list[str]:
    """The container's arguments; an empty list keeps the image's."""
    return list(container.get("args", []))
