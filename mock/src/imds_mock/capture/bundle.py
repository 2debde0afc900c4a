"""The capture as one file: the modules of this package, joined in the order of their imports."""

from __future__ import annotations

import re
from importlib.resources import files

_MODULES = (
    *("client", "walk", "paths", "reproduction", "interfaces", "attributes", "settings", "configuration", "program"),
)
_OWN_IMPORT = re.compile(r"^from (?:imds_mock\.|__future__ )[^\n]*\n", re.MULTILINE)
_OWN_TYPE_IMPORT = re.compile(r"^( +)from imds_mock\.[^\n]*", re.MULTILINE)  # may be the only line of its block
_HEADER = '''"""Capture a running metadata service as a configuration of imds-mock, with Python 3.8 or newer alone.

Usage: python3 - [--endpoint URL] < capture.py > captured.yaml
"""

from __future__ import annotations
'''


def bundle() -> str:
    """The source text of the program."""
    modules = [(files("imds_mock.capture") / f"{name}.py").read_text("utf-8") for name in _MODULES]
    parts = (_OWN_TYPE_IMPORT.sub(r"\1pass", _OWN_IMPORT.sub("", text)) for text in modules)
    return "\n".join([_HEADER, *parts, "sys.exit(main())\n"])
