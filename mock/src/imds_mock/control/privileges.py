"""Settings that the control plane does not change: they name files, profiles, programs or addresses.

The mock acts on them with the rights of its own user, so only the mock's owner sets them: in the configuration file, a
variable or a flag. Which settings these are, the marks on the schema's fields say. A setting that a call leaves out
keeps its value; a null or another value is refused, and so is a variant that names one for other callers than before.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.errors import dotted
from imds_mock.config.secrets import PRIVILEGED, PRIVILEGED_VALUES, marked_fields, marked_values
from imds_mock.config.settings import FIXED_SECTIONS, Config
from imds_mock.control.secrets import same_variants
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imds_mock.config.errors import KeyPath
    from imds_mock.config.secrets import Marked

_WAY: Final = "set it in the configuration file, a variable or a flag"


def require_unprivileged(document: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Check that a configuration document, or a patch of one, sets no privileged setting anew.

    Args:
        document: What was sent, before anything acts on it.
        current: The configuration in force.

    Raises:
        FieldError: It does; names the setting and what it reaches.
    """
    for path, holder, before in _holders(document, current):
        for marked in marked_values(Config, holder, PRIVILEGED):
            values = marked.extra.get(PRIVILEGED_VALUES)
            if marked.value == _held(before, marked.path) or (values is not None and marked.value not in values):
                continue
            shown = "" if values is None else f" to {marked.value}"
            again = " and start again" if marked.path[0] in FIXED_SECTIONS else ""
            raise FieldError(
                dotted((*path, *marked.path)),
                f"cannot be set{shown} over the control plane, because {marked.extra[PRIVILEGED]}; {_WAY}{again}",
            )


def with_privileged(document: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration document with the privileged settings in force where it leaves them out.

    Args:
        document: What was sent; stays as it is.
        current: The configuration in force.
    """
    completed = copy.deepcopy(dict(document))
    for _, holder, before in _holders(completed, current):
        for marked in _kept_fields():
            held = _held(before, marked.path)
            if held is not None:
                _put(holder, marked.path, held)
    return completed


def _kept_fields() -> Iterator[Marked]:
    return (marked for marked in marked_fields(Config, PRIVILEGED) if PRIVILEGED_VALUES not in marked.extra)


def _holders(
    document: Mapping[str, Any], current: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, dict[str, Any], Mapping[str, Any]]]:
    """What has sections, its key path, and what it was before: the document itself, and its variants by their match."""
    if isinstance(document, dict):
        yield (), document, current
        for place, variant, before in same_variants(document, current):
            yield ("variants", place), variant, before


def _held(holder: Any, path: KeyPath) -> Any:
    for part in path:
        holder = holder.get(part) if isinstance(holder, dict) else None
    return holder


def _put(holder: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Put a value where nothing is; what has another form than the schema's is left for the check of the whole."""
    for part in path[:-1]:
        held = holder.setdefault(str(part), {})
        if not isinstance(held, dict):
            return
        holder = held
    holder.setdefault(str(path[-1]), value)
