"""What the API of Kubernetes and its Pod Security Standards say of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import kubernetes_validate

if TYPE_CHECKING:
    from collections.abc import Iterable

RELEASES: Final = ("1.25", "1.31", "1.37")
"""The oldest release with a schema, one in the middle, and the newest."""


def check_schemas(objects: Iterable[dict[str, Any]], releases: Iterable[str] = RELEASES) -> None:
    """Fail if an object has a field that the API of a release does not know, or lacks one that it requires."""
    for each in objects:
        for release in releases:
            assert kubernetes_validate.validate(each, release, strict=True) == release


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    """The specification of the Pods of a workload, or of a Pod."""
    spec: dict[str, Any] = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec if workload["kind"] == "Pod" else spec["template"]["spec"]


def beyond_restricted(pod: dict[str, Any]) -> dict[str, list[str]]:
    """What keeps each container of a Pod from the standard `restricted`; containers that satisfy it are left out."""
    inherited = pod.get("securityContext", {})
    found = {
        container["name"]: _beyond_restricted(inherited | container.get("securityContext", {}))
        for container in [*pod.get("initContainers", []), *pod["containers"]]
    }
    if {"hostNetwork", "hostPID", "hostIPC"} & pod.keys():
        found["pod"] = ["a namespace of the host"]
    if any("hostPath" in volume for volume in pod.get("volumes", [])):
        found["pod"] = ["a path of the host"]
    return {name: reasons for name, reasons in found.items() if reasons}


def _beyond_restricted(context: dict[str, Any]) -> list[str]:
    capabilities = context.get("capabilities", {})
    rules = {
        "privilege escalation": context.get("allowPrivilegeEscalation") is False,
        "root": context.get("runAsNonRoot") is True and context.get("runAsUser", 1) != 0,
        "seccomp": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
        "capabilities not dropped": capabilities.get("drop") == ["ALL"],
        **{name: name == "NET_BIND_SERVICE" for name in capabilities.get("add", [])},
    }
    return [name for name, holds in rules.items() if not holds]
