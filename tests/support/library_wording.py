"""Words of libraries that no user may read: ours are `expected ..., got ...` and `unknown ...; did you mean ...?`."""

from __future__ import annotations

import re
from typing import Final

# What msgspec, json, PyYAML, ipaddress and argparse say. None of it may reach a user.
FOREIGN: Final = re.compile(
    r"Expected `|Object (contains|missing)|Invalid (value|enum)|- at `|_setting value|Expecting |Extra data|"
    r"Octet|octets|At least 3 parts|does not appear to be|Incorrect padding|isoformat|unhashable|constructor|"
    r"while (parsing|scanning)|invalid (choice|int|float)|unrecognized arguments|JSON is malformed|Traceback"
)
