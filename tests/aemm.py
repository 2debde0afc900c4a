"""amazon-ec2-metadata-mock's observed answers, and the drop-in's settings made from what a test gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imds_mock.aemm.arguments import parse
from imds_mock.aemm.compatibility import Compatibility, Instance
from imds_mock.aemm.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parent / "golden" / "aemm"
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


def instance(*argv: str, environ: Mapping[str, str] | None = None, started: float = 0.0) -> Instance:
    """What the server is made from, for a command line and variables."""
    return Compatibility(started).build(settings(*argv, environ=environ))


def written(folder: Path, document: Any, name: str = "settings.json") -> Path:
    """A config file in JSON."""
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path
