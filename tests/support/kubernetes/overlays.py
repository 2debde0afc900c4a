"""Overlays of the kustomization `base`, as a user writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from support.kubernetes.standards import check_schemas
from support.kubernetes.tools import KUSTOMIZE, kustomized

if TYPE_CHECKING:
    from pathlib import Path

INJECTED: Final = {"imds-sidecar/inject": "true"}
"""The label with which a workload asks for the init container."""


def overlay(
    folder: Path, *objects: dict[str, Any], components: tuple[str, ...] = (), **more: Any
) -> list[dict[str, Any]]:
    """What an overlay of the base with own objects and components of ours becomes."""
    (folder / "objects.yaml").write_text(yaml.safe_dump_all(objects))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [relative(folder, "base"), *(["objects.yaml"] if objects else [])],
        "components": [relative(folder, f"components/{name}") for name in components],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    built = kustomized(folder)
    check_schemas(built)
    return built


def relative(folder: Path, name: str) -> str:
    return "../" * (len(folder.parts) - 1) + str(KUSTOMIZE / name).removeprefix("/")
