"""The manifests of examples/kubernetes with `podman kube play`, as root and rootless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from support.containers import INSTANCE_ID
from support.engines import EXAMPLES, until
from support.pods import manifests

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.engine_table import Results
    from support.engines import Engine

FOLDER = EXAMPLES / "kubernetes"
# Podman has no Services: the name is the Pod's, and the port the container's.
MOCK = {"MOCK_HOSTNAME": "imds-mock-pod", "MOCK_PORT": "1338"}


@pytest.mark.parametrize("name", ["podman-root-docker-compose", "podman-rootless-docker-compose"])
def test_the_manifests_run(name: str, start: Callable[[str], Engine], results: Results) -> None:
    engine: Engine = start(name)
    (pod,) = manifests(FOLDER / "application.yaml")
    settings = " and ".join(f"`{key}={value}`" for key, value in MOCK.items())
    (init,) = pod["spec"]["initContainers"]
    init["env"] = [{"name": key, "value": value} for key, value in MOCK.items()]
    service, deployment = manifests(FOLDER / "mock.yaml")
    files = [engine.folder / f"{part}-{name}.yaml" for part in ("mock", "application")]
    for file, documents in zip(files, ((service, deployment), (pod,)), strict=True):
        for template in (deployment["spec"]["template"], pod):
            for container in (*template["spec"]["containers"], *template["spec"].get("initContainers", ())):
                container.pop("resources", None)  # the engine's cgroup2 has no controllers
        file.write_text(yaml.safe_dump_all(documents))
    try:
        for file in files:
            engine("kube", "play", file)
        ask = ("curl", "-sf", "--max-time", "1", "http://169.254.169.254/latest/meta-data/instance-id")
        asked = ("exec", "application-application", *ask)
        until(lambda: engine(*asked, check=False).stdout == INSTANCE_ID, 60, "the instance's id in the Pod")
        capabilities = engine("exec", "application-application", "grep", "CapEff", "/proc/1/status").stdout
        assert capabilities.split()[1].strip("0") == ""
    finally:
        for file in reversed(files):
            engine("kube", "down", file, check=False)
    number = engine("version", "--format", "{{.Version}}").stdout.strip()
    what = f"Podman {number}, the manifests of [the example](../examples/kubernetes) with {settings}"
    results.note("`podman kube play`, rootless" if "rootless" in name else "`podman kube play`", what)
