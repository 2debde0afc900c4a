"""The environment in which testcontainers finds the engine of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from support.containers import Docker

# The machine may have an engine but no registry, which would have the image of the reaper. The tests remove what they
# create, and look for leftovers by label.
_WITHOUT_REAPER: Final = {"TESTCONTAINERS_RYUK_DISABLED": "true"}


def engine_environment(docker: Docker) -> dict[str, str]:
    """The variables of a process that uses testcontainers."""
    return {**docker.environment, **_WITHOUT_REAPER}
