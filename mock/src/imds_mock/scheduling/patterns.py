"""Shell patterns for metadata paths, as faults and questions name them."""

from __future__ import annotations

import fnmatch
import re

from imds_mock.scheduling.fields import FieldError


def path_pattern(path: str) -> re.Pattern[str]:
    """Compile a pattern for whole paths.

    Args:
        path: Such as `/latest/meta-data/iam/*`; `*` spans slashes, a slash at the end does not matter, and the one at
            the beginning may be left out.

    Raises:
        FieldError: The pattern is empty.
    """
    if not path:
        raise FieldError("path", "an empty pattern matches nothing; write `*` for every path")
    rooted = path if path[0] in "/*?[" else f"/{path}"
    return re.compile(fnmatch.translate(rooted.rstrip("/") or "/"))
