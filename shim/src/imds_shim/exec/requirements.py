"""Everything that a start lacks, in one message: loaded only where a capability is missing.

The steps of a start stop at the first capability that is missing. Here those that follow are tried as if it were there,
so that a user changes the compose file once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imds_shim import capabilities
from imds_shim.capabilities import CapabilitySets
from imds_shim.errors import PrivilegeError, ShimError
from imds_shim.exec.handoff import plan
from imds_shim.exec.privileges import INSTEAD_OF_SETPCAP, Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.config import ShimConfig

_AS_THE_README_LISTS_THEM = ("NET_ADMIN", "NET_RAW", "SETPCAP", "SETUID", "SETGID")


def complete(first: PrivilegeError, config: ShimConfig, check: Callable[[], object]) -> PrivilegeError:
    """Return the error that names all capabilities which a start lacks.

    Args:
        first: the one that ended the start; it names at least one.
        config: what the start was asked to do.
        check: raises PrivilegeError where the network cannot be changed.
    """
    missing, reasons = list(first.missing), [first.what]

    def adds(step: Callable[[], object]) -> bool:
        try:
            step()
        except PrivilegeError as error:
            new = [name for name in error.missing if name not in missing]
            missing.extend(new)
            reasons.extend([error.what] if new else [])
            return bool(new)
        except ShimError:
            pass  # a later step says so, once the capabilities are there
        return False

    adds(check)
    if config.action == "start":
        while adds(lambda: _plan_with(missing, config)):
            pass
    if len(reasons) == 1:
        return first
    missing.sort(key=lambda name: (*_AS_THE_README_LISTS_THEM, name).index(name))
    how = capabilities.how_to_get(tuple(missing), capabilities.read_sets())
    if "SETPCAP" in missing:
        how += f"; {INSTEAD_OF_SETPCAP}"
    listed = "; ".join(reason.removesuffix(", which this container lacks") for reason in reasons)
    return PrivilegeError(f"capabilities are missing ({listed})", how, tuple(missing))


def _plan_with(names: Sequence[str], config: ShimConfig) -> None:
    """Plan the hand-off of a shim that has these names as well, and is root as `MOCK_USER` needs it."""
    now = Identity.current()
    user = config.user
    sets = now.sets
    added = sum(1 << capabilities.NUMBERS[name] for name in names)
    if os.geteuid() == 0:
        has = CapabilitySets(
            sets.inheritable, sets.permitted | added, sets.effective | added, sets.bounding | added, sets.ambient
        )
        now = Identity(now.uid, now.gid, now.groups, has)
    else:
        whole = sets.bounding | added
        # Which groups root has in this container is not known, so they have to be set.
        now = Identity(0, 0, frozenset({-1}), CapabilitySets(0, whole, whole, whole, 0))
        user = user or str(os.geteuid())
    plan(user=user, keep_caps=config.keep_caps, drop_caps=config.drop_caps, no_new_privs=config.no_new_privs, now=now)
