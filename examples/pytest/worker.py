"""A worker on a spot instance: it stops taking jobs as soon as EC2 announces that it will take the instance back."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_TOKEN_SECONDS = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


def is_interrupted() -> bool:
    """Whether there is a spot interruption notice."""
    url = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
    token = _read(urllib.request.Request(f"{url}/latest/api/token", method="PUT", headers=_TOKEN_SECONDS))
    notice = f"{url}/latest/meta-data/spot/instance-action"
    try:
        _read(urllib.request.Request(notice, headers={"X-aws-ec2-metadata-token": token}))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise
    return True


def work(jobs: Iterable[Callable[[], None]]) -> Iterator[Callable[[], None]]:
    """Run jobs until the instance is to be interrupted.

    Args:
        jobs: The jobs.

    Returns:
        The jobs that are left for another worker.
    """
    left = iter(jobs)
    for job in left:
        job()
        if is_interrupted():
            break
    return left


def _read(request: urllib.request.Request) -> str:
    with urllib.request.urlopen(request, timeout=2) as response:
        return str(response.read().decode())
