"""Settings that the control plane does not change, because they name files, AWS profiles, programs or addresses.

The mock acts on them with the rights of its own user, so only its owner sets them: in the configuration file, a
variable or a flag. Marks on the schema's fields say which settings these are. A setting that a call leaves out keeps
its value. A null or another value is refused, and so is a variant that applies such a setting to other callers.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from imds_mock.config.errors import dotted
from imds_mock.config.marks import PRIVILEGED, PRIVILEGED_VALUES, held_at, marked_settings
from imds_mock.config.settings import FIXED_SECTIONS, Config
from imds_mock.control.secrets import same_variants
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imds_mock.config.errors import KeyPath

_ADVICE: Final = "set it in the configuration file, a variable or a flag"
_SETTINGS: Final = tuple(marked_settings(Config, PRIVILEGED))


def require_unprivileged(document: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Check that a configuration document, or a patch of one, changes no privileged setting.

    Raises:
        FieldError: It changes one; names the setting and the reason.
    """
    for path, holder, before in _holders(document, current):
        for setting in _SETTINGS:
            values = setting.extra.get(PRIVILEGED_VALUES)
            for held in held_at(holder, setting.path):
                if held.value == _value_at(before, held.path) or (values is not None and held.value not in values):
                    continue
                target = "" if values is None else f" to {held.value}"
                again = " and start again" if held.path[0] in FIXED_SECTIONS else ""
                raise FieldError(
                    dotted((*path, *held.path)),
                    f"cannot be set{target} over the control plane, "
                    f"because {setting.extra[PRIVILEGED]}; {_ADVICE}{again}",
                )


def with_privileged(document: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a configuration document, completed by the privileged settings in force that it leaves out."""
    completed = copy.deepcopy(dict(document))
    for _, holder, before in _holders(completed, current):
        for setting in _SETTINGS:
            value = _value_at(before, setting.path)
            if value is not None and PRIVILEGED_VALUES not in setting.extra:
                _set_default(holder, setting.path, value)
    return completed


def _holders(
    document: Mapping[str, Any], current: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, dict[str, Any], Mapping[str, Any]]]:
    """List what has sections, the document and its variants: the key path, the sections, and those in force."""
    if isinstance(document, dict):
        yield (), document, current
        for place, variant, before in same_variants(document, current):
            yield ("variants", place), variant, before


def _value_at(holder: Any, path: KeyPath) -> Any:
    for part in path:
        holder = holder.get(part) if isinstance(holder, dict) else None
    return holder


def _set_default(holder: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Set a value that is missing; a document of another form is left to the later checks."""
    for part in path[:-1]:
        held = holder.setdefault(str(part), {})
        if not isinstance(held, dict):
            return
        holder = held
    holder.setdefault(str(path[-1]), value)
