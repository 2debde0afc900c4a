"""Where this repository and its installed programs are."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROGRAMS = Path(sys.executable).parent
IMDS_MOCK = PROGRAMS / "imds-mock"
IMDS_SHIM = PROGRAMS / "imds-shim"
