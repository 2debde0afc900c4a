"""amazon-ec2-metadata-mock's recorded responses, and a drop-in that runs without sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imds_mock.aemm.arguments import parse
from imds_mock.aemm.configuration import apply_settings
from imds_mock.aemm.settings import Settings, load
from imds_mock.build.aemm import AemmBuilder
from imds_mock.build.loading import from_document
from imds_mock.service.messages import Request, Response
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.config.settings import Config
    from imds_mock.service.snapshot import Snapshot

GOLDEN = Path(__file__).parents[1] / "golden" / "aemm"
LEAVES: dict[str, dict[str, str]] = json.loads((GOLDEN / "leaves.json").read_text("utf-8"))
"""Body and content type by path, for all leaves without events."""
LISTINGS: dict[str, str] = json.loads((GOLDEN / "listings.json").read_text("utf-8"))
"""Listing by path of the category."""
PAGES: dict[str, str] = json.loads((GOLDEN / "pages.json").read_text("utf-8"))
"""Error page by status."""
MAC = "/latest/meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/"


def settings(*argv: str, environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """The drop-in's settings from a command line, variables and a config file."""
    words = (*argv, "-c", str(file)) if file else argv
    return load(parse(words), environ or {})


def base(**sections: Any) -> Config:
    """A configuration with `compatibility: aemm` and what the mock's own settings say."""
    return from_document({"compatibility": "aemm", **sections})


def described(*argv: str, environ: Mapping[str, str] | None = None, builder: AemmBuilder) -> Snapshot:
    """The snapshot that is served for a command line and variables."""
    config = apply_settings(settings(*argv, environ=environ), base())
    served = builder.build(config)
    return served.snapshot()


def written(folder: Path, document: Any, name: str = "settings.json") -> Path:
    """Write a JSON config file; returns its path."""
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


STARTED = 1_795_402_094.0  # 2026-11-23T02:48:14Z
DOCUMENT = "/latest/dynamic/instance-identity/document"
SPOT = "/latest/meta-data/spot/instance-action"
END = "/latest/meta-data/spot/termination-time"
REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
SCHEDULED = "/latest/meta-data/events/maintenance/scheduled"
LIFECYCLE = "/latest/meta-data/autoscaling/target-lifecycle-state"
EVENTS = {SPOT, END, REBALANCE, SCHEDULED, LIFECYCLE}
TOKEN = "x-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
TTL = "x-aws-ec2-metadata-token-ttl-seconds"


class DropIn:
    """A drop-in as started with a command line; calling it sends a request."""

    def __init__(self, *argv: str, environ: Mapping[str, str] | None = None) -> None:
        self.builder = AemmBuilder(STARTED, "a test says so")
        self.snapshot = described(*argv, environ=environ, builder=self.builder)
        self.service = Service(self, Tokens(), "id")

    def snapshot_for(self, _caller: str) -> Snapshot:
        return self.snapshot

    def __call__(self, path: str, now: float = STARTED, caller: str = "10.0.0.1", method: str = "GET",
                 headers: Mapping[str, str] | None = None) -> Response:  # fmt: skip
        normal = "/" + "/".join(part for part in path.split("/") if part)
        return self.service.respond(Request(method, path, normal, path.endswith("/"), headers or {}), caller, now)

    def status(self, path: str, after: float = 0, caller: str = "10.0.0.1") -> int:
        return self(path, STARTED + after, caller).status

    def listing(self, path: str) -> list[str]:
        return self(f"/latest/meta-data/{path}").body.decode().split()


def lines(answer: Response) -> dict[str, str]:
    return dict(answer.head.leading + answer.head.trailing)
