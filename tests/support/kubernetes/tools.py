"""Helm, built from the Go modules that tests/conformance/helm pins, and kubectl."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, Final

import yaml

import toolchains
from support.conformance import go
from support.conformance.sdk import CACHE
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEPLOY: Final = ROOT / "deploy"
CHART: Final = DEPLOY / "helm/imds-mock"
KUSTOMIZE: Final = DEPLOY / "kustomize"

Completed = subprocess.CompletedProcess[str]


def helm(*words: str | Path, values: Mapping[str, Any] | None = None) -> Completed:
    """Run `helm WORDS...`, with values as a file; a failure is in the result."""
    files = ("--values", "-") if values is not None else ()
    return subprocess.run(
        [go.build("helm", "helm.sh/helm/v3/cmd/helm"), *words, *files],
        cwd=ROOT,
        input=json.dumps(values),
        env={
            **os.environ,
            "HELM_CACHE_HOME": str(CACHE / "helm"),
            "HELM_CONFIG_HOME": str(CACHE / "helm"),
            "KUBECONFIG": os.devnull,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _template(values: Mapping[str, Any], chart: Path, *words: str) -> Completed:
    # Without a cluster, Helm assumes the release that it was built for, and ours is built for none.
    return helm("template", "mock", chart, "--namespace", "demo", "--kube-version", "1.31", *words, values=values)


def template(values: Mapping[str, Any] | None = None, *words: str, chart: Path = CHART) -> list[dict[str, Any]]:
    """The objects of the chart for a release `mock` in the namespace `demo`."""
    done = _template(values or {}, chart, *words)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def rendered(values: Mapping[str, Any] | None = None, *, chart: Path = CHART) -> dict[str, dict[str, Any]]:
    """The objects that `helm install` creates, by kind."""
    objects = template(values, "--skip-tests", chart=chart)
    assert len({each["kind"] for each in objects}) == len(objects)
    return {each["kind"]: each for each in objects}


def refused(values: Mapping[str, Any]) -> str:
    """What Helm says of values that it refuses."""
    done = _template(values, CHART)
    assert done.returncode != 0, done.stdout
    return done.stderr


def kustomized(folder: Path) -> list[dict[str, Any]]:
    """The objects that `kubectl kustomize` prints for a folder."""
    done = subprocess.run([toolchains.kubectl(), "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))
