"""Shell patterns for metadata paths, as faults and questions name them."""

from __future__ import annotations

import fnmatch
import re
from typing import Final

from imds_mock.scheduling.fields import FieldError

_LONGEST: Final = 1024  # as much of a path as the journal keeps; compiling a longer one keeps everybody waiting

_CATEGORIES: Final = ("meta-data", "dynamic", "user-data", "api")  # what is below each version
_VERSION: Final = re.compile(r"latest$|v?\d|.*[*?\[]")  # the metadata service's, the agents' of containers, a pattern


def path_pattern(path: str) -> re.Pattern[str]:
    """Compile a pattern for whole paths.

    Args:
        path: Such as `/latest/meta-data/iam/*`; `*` spans slashes, a slash at the end does not matter, and the one at
            the beginning may be left out. `meta-data/iam/*` is that path under any version.

    Raises:
        FieldError: The pattern is empty, or longer than any path that the journal keeps, or begins as no path does.
    """
    if not path:
        raise FieldError("path", "an empty pattern matches nothing; write `*` for every path")
    if len(path) > _LONGEST:
        raise FieldError("path", f"a pattern has no more than {_LONGEST} characters")
    first = path.partition("/")[0]
    if first in _CATEGORIES:
        return re.compile(f"/[^/]+{fnmatch.translate(f'/{path}'.rstrip('/'))}")
    if path[0] not in "/*?[" and not _VERSION.match(first):
        # It would match nothing, and a question that counts what must not be asked would be answered with "never".
        raise FieldError("path", f"no path begins with {first!r}; write it like '*/iam/*' or 'meta-data/iam/*'")
    rooted = path if path[0] in "/*?[" else f"/{path}"
    return re.compile(fnmatch.translate(rooted.rstrip("/") or "/"))
