"""Lists all capabilities that a start lacks in one message; loaded only if one is missing.

A start fails at the first missing capability. This module checks the remaining steps as if it were granted, so that the
user has to change the compose file only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim import capabilities
from imds_shim.capabilities import CapabilitySets
from imds_shim.errors import PrivilegeError, ShimError
from imds_shim.exec.handoff import plan
from imds_shim.exec.privileges import SETPCAP_ALTERNATIVES, Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.config import ShimConfig

_DISPLAY_ORDER = ("NET_ADMIN", "NET_RAW", "SETPCAP", "SETUID", "SETGID")


def all_missing(first: PrivilegeError, config: ShimConfig, check: Callable[[], object]) -> PrivilegeError:
    """Return the error that names all missing capabilities.

    Args:
        first: the error that ended the start; it names at least one capability.
        config: the configuration of the start.
        check: raises PrivilegeError if the network cannot be changed.
    """
    missing, reasons = list(first.missing), [first.problem]

    def finds_more(step: Callable[[], object]) -> bool:
        try:
            step()
        except PrivilegeError as error:
            new = [name for name in error.missing if name not in missing]
            missing.extend(new)
            reasons.extend([error.problem] if new else [])
            return bool(new)
        except ShimError:
            pass  # reported by the next start, once the capabilities are granted
        return False

    finds_more(check)
    if config.action == "start":
        while finds_more(lambda: _plan_with(missing, config)):
            pass
    if len(reasons) == 1:
        return first
    missing.sort(key=lambda name: (*_DISPLAY_ORDER, name).index(name))
    advice = capabilities.how_to_grant(tuple(missing), capabilities.read_sets())
    if "SETPCAP" in missing:
        advice += f". {SETPCAP_ALTERNATIVES}"
    return PrivilegeError(". ".join(reasons), advice, tuple(missing))


def _plan_with(names: Sequence[str], config: ShimConfig) -> None:
    """Plan the hand-off of a shim with these capabilities, as root if the shim is not."""
    now = Identity.current()
    sets, added = now.sets, capabilities.mask(names)
    if now.uid == 0:
        more = (sets.permitted | added, sets.effective | added, sets.bounding | added)
        plan(config, Identity(0, now.gid, now.groups, CapabilitySets(sets.inheritable, *more, sets.ambient)))
    else:
        whole = sets.bounding | added
        # Root's groups in this container are unknown, so they would have to be set.
        root = Identity(0, 0, frozenset({-1}), CapabilitySets(0, whole, whole, whole, 0))
        plan(config, root, config.user or str(now.uid))
