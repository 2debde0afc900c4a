"""Applications in the pictures of the README, each in a container of its own: they ask 169.254.169.254 as on EC2.

`worker` polls for the spot interruption notice and ends after it has seen one, `web` renews its credentials with the
SDK, `cron` uses IMDSv1. The second argument is the time between two requests, in seconds.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from typing import Any

from botocore.session import Session
from botocore.utils import IMDSFetcher

IMDS = "http://169.254.169.254/latest/meta-data/"


class Metadata(IMDSFetcher):  # type: ignore[misc] # botocore has no types
    """The metadata service, asked as the SDK for Python does, with a session token."""

    def __init__(self) -> None:
        super().__init__(timeout=5, num_attempts=2)
        self._token = self._fetch_metadata_token()

    def get(self, path: str) -> str | None:
        """A leaf; None if it does not exist."""
        answer = self._get_request(f"latest/meta-data/{path}", lambda _response: False, self._token)
        return str(answer.text) if answer.status_code == 200 else None  # noqa: PLR2004 - OK


def worker(poll_seconds: float) -> None:
    """Poll for the notice; finish after it."""
    metadata = Metadata()
    metadata.get("instance-id")
    while (notice := metadata.get("spot/instance-action")) is None:
        time.sleep(poll_seconds)
    print("interrupted:", json.loads(notice)["time"], flush=True)


def web(poll_seconds: float) -> None:
    """Renew credentials, and look for the notice now and then."""
    metadata = Metadata()
    metadata.get("placement/availability-zone")
    while True:
        credentials: Any = Session().get_credentials()
        credentials.get_frozen_credentials()
        time.sleep(poll_seconds)


def cron(poll_seconds: float) -> None:
    """Ask without a token."""
    while True:
        for leaf in ("instance-id", "placement/region"):
            urllib.request.urlopen(f"{IMDS}{leaf}", timeout=5).close()  # noqa: S310 - http
        time.sleep(poll_seconds)


if __name__ == "__main__":
    {"worker": worker, "web": web, "cron": cron}[sys.argv[1]](float(sys.argv[2]))
