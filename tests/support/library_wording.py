"""The wording of libraries, which users must never see; ours is `expected ..., got ...` or `unknown ...`."""

from __future__ import annotations

import re
from typing import Final

# Of msgspec, json, PyYAML, ipaddress and argparse.
LIBRARY_WORDING: Final = re.compile(
    r"Expected `|Object (contains|missing)|Invalid (value|enum)|- at `|_setting value|Expecting |Extra data|"
    r"Octet|octets|At least 3 parts|does not appear to be|Incorrect padding|isoformat|unhashable|constructor|"
    r"while (parsing|scanning)|invalid (choice|int|float)|unrecognized arguments|JSON is malformed|Traceback"
)
