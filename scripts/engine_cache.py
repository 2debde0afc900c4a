"""What a temporary engine keeps for the next run in its checkout.

Images of Debian stay, and the project's own images with the layers of the build cache that are parts of them, so the
next build repeats only the steps whose sources have changed. Everything else goes at the end of a run, and at the start
of the next one, because a killed run does not reach its end.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT: Final = frozenset({"debian", "imds-mock", "imds-shim", "imds-shim-build", "imds-shim-debug"})
"""Repositories whose images stay. `imds-shim-build` consists of the slowest build stages, which both images use."""


def tidy(environment: Mapping[str, str]) -> None:
    """Remove from an engine what the next run does not use.

    Args:
        environment: The environment in which `docker` finds the engine.
    """
    if containers := _lines(environment, "ps", "--all", "--quiet"):
        _docker(environment, "rm", "--force", "--volumes", *containers)
    images = _lines(environment, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    if unused := [image for image in images if image.rpartition(":")[0] not in {*KEPT, "<none>"}]:
        _docker(environment, "image", "rm", "--force", *unused)
    # With images without a name, networks, volumes, and layers of the build cache that are in no image.
    _docker(environment, "system", "prune", "--force", "--volumes")


def _lines(environment: Mapping[str, str], *words: str) -> list[str]:
    return _docker(environment, *words).split()


def _docker(environment: Mapping[str, str], *words: str) -> str:
    """Run `docker WORDS...`; returns what it printed. What cannot be removed stays until the next run."""
    done = subprocess.run(["docker", *words], env=dict(environment), capture_output=True, text=True, check=False)
    return done.stdout
