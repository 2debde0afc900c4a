"""amazon-ec2-metadata-mock's observed answers, and the drop-in's settings made from what a test gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imds_mock.aemm.adoption import adopt
from imds_mock.aemm.arguments import parse
from imds_mock.aemm.settings import Settings, load
from imds_mock.build.aemm import AemmBuilder
from imds_mock.build.loading import Config, from_document
from imds_mock.service.messages import Request, Response
from imds_mock.service.rules import Service
from imds_mock.service.snapshot import Snapshot, Store
from imds_mock.service.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parents[1] / "golden" / "aemm"
LEAVES: dict[str, dict[str, str]] = json.loads((GOLDEN / "leaves.json").read_text("utf-8"))
"""Path to body and content type, of all leaves that no event gives."""
LISTINGS: dict[str, str] = json.loads((GOLDEN / "listings.json").read_text("utf-8"))
"""Path of a category to its listing."""
PAGES: dict[str, str] = json.loads((GOLDEN / "pages.json").read_text("utf-8"))
"""Status to page."""
MAC = "/latest/meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/"


def settings(*argv: str, environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """What the drop-in makes of a command line, variables and a config file."""
    words = (*argv, "-c", str(file)) if file else argv
    return load(parse(words), environ or {})


def base(**sections: Any) -> Config:
    """A configuration with `compatibility: aemm` and what the mock's own settings say."""
    return from_document({"compatibility": "aemm", **sections})


def described(*argv: str, environ: Mapping[str, str] | None = None, builder: AemmBuilder) -> Snapshot:
    """What is served for a command line and variables."""
    config = adopt(settings(*argv, environ=environ), base())
    served = builder.build(config)
    return served.snapshot()


def written(folder: Path, document: Any, name: str = "settings.json") -> Path:
    """A config file in JSON."""
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


class Asker:
    """Asks the drop-in as if it had been started with a command line."""

    def __init__(self, *argv: str, environ: Mapping[str, str] | None = None) -> None:
        self.builder = AemmBuilder(STARTED, "a test says so")
        self.store = Store(described(*argv, environ=environ, builder=self.builder))
        self.service = Service(lambda _caller: self.store.current, Tokens(), "id")

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
