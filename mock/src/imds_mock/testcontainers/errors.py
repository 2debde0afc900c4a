"""The error of a mock in a container: one sentence about what failed, why, and what to do, then the mock's log."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from docker.errors import APIError, DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config

from imds_mock.errors import EX_UNAVAILABLE, MockError

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_LOG_LINES: Final = 20
_PORT: Final = re.compile(r"port is already allocated|address already in use|bind for |failed to bind", re.IGNORECASE)
_REGISTRY: Final = re.compile(r"https?://\S+/v2/|pull access denied|manifest unknown", re.IGNORECASE)
_BUILD: Final = "build it with `make images` in a clone of imds-sidecar, or pass another one as image="


class ImdsContainerError(MockError):
    """A mock in a container cannot start, cannot be attached, or has ended.

    Args:
        sentence: What failed, why, and what to do.
        log: The last lines of the mock's log, shown below the sentence.
    """

    exit_code = EX_UNAVAILABLE

    def __init__(self, sentence: str, log: str = "") -> None:
        super().__init__(f"{sentence}\n\nThe mock's log:\n{log}" if log else sentence)
        self.log = log


def no_engine(error: DockerException) -> ImdsContainerError:
    """The error for an engine that does not answer."""
    where = os.environ.get("DOCKER_HOST", "the default address")
    return ImdsContainerError(
        f"no Docker engine answers at {where} ({_reason(error)}); start Docker, or set DOCKER_HOST to its address"
    )


def missing_image(image: str) -> ImdsContainerError:
    """The error for an image that the engine does not have."""
    return ImdsContainerError(f"the engine has no image {image}; {_BUILD}")


def cannot_start(image: str, error: DockerException) -> ImdsContainerError:
    """The error for a container that the engine cannot start."""
    reason = _reason(error)
    ryuk = testcontainers_config.ryuk_image
    if ryuk.partition(":")[0] in reason:
        return ImdsContainerError(
            f"the engine cannot get the image {ryuk}, with which testcontainers removes containers after a crash "
            f"({reason}); set TESTCONTAINERS_RYUK_DISABLED=true to run without it"
        )
    if isinstance(error, ImageNotFound) or _REGISTRY.search(reason):
        return ImdsContainerError(f"the engine cannot get the image {image} ({reason}); {_BUILD}")
    if _PORT.search(reason):
        return ImdsContainerError(
            f"the engine cannot publish the mock's ports ({reason}); free the port, or leave with_bind_ports out"
        )
    return ImdsContainerError(f"the engine cannot start a container of {image}: {reason}")


def cannot_join(container: str, network: str, error: DockerException) -> ImdsContainerError:
    """The error for a container that cannot join the mock's network."""
    return ImdsContainerError(f"the container {container} cannot join the mock's network {network}: {_reason(error)}")


def log_of(container: DockerContainer) -> str:
    """The last lines that a container has written; empty if it is gone."""
    try:
        written: bytes = container.get_wrapped_container().logs(tail=_LOG_LINES)
        return written.decode(errors="replace").rstrip()
    except Exception:  # noqa: BLE001 - the log is an addition to another error
        return ""


def _reason(error: DockerException) -> str:
    text = str(error.explanation or error) if isinstance(error, APIError) else str(error)
    return " ".join(text.split()).rstrip(".;")
