"""Shell patterns for metadata paths, as faults and questions name them."""

from __future__ import annotations

import fnmatch
import re
from typing import Final

from imds_mock.scheduling.fields import FieldError

_LONGEST: Final = 1024  # as much of a path as the journal keeps; compiling a longer one keeps everybody waiting


def path_pattern(path: str) -> re.Pattern[str]:
    """Compile a pattern for whole paths.

    Args:
        path: Such as `/latest/meta-data/iam/*`; `*` spans slashes, a slash at the end does not matter, and the one at
            the beginning may be left out.

    Raises:
        FieldError: The pattern is empty, or longer than any path that the journal keeps.
    """
    if not path:
        raise FieldError("path", "an empty pattern matches nothing; write `*` for every path")
    if len(path) > _LONGEST:
        raise FieldError("path", f"a pattern has no more than {_LONGEST} characters")
    rooted = path if path[0] in "/*?[" else f"/{path}"
    return re.compile(fnmatch.translate(rooted.rstrip("/") or "/"))
