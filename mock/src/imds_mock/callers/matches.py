"""Which callers a name or an address stands for, and what to say where it stands for none, or may miss some."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from imds_mock.callers.addresses import is_address, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.callers.caller import Caller
    from imds_mock.callers.register import Callers


class Match(NamedTuple):
    """What a target stands for.

    Attributes:
        callers: The callers, each once however many addresses it has, by the address that stands for it, in order.
        warning: Why it stands for none or may miss some, and what to write instead; None where it does neither.
    """

    callers: dict[str, Caller]
    warning: str | None


def match(callers: Callers, target: str, *, in_journal: bool = False) -> Match:
    """The callers that a target stands for now.

    Args:
        callers: What is known about callers; the target has been learnt.
        target: Address, container or service name.
        in_journal: Containers that are gone count as well, as requests of theirs may be in the journal.
    """
    is_target = callers.was_target if in_journal else callers.is_target
    found = _distinct(callers, target, is_target)
    return Match(found, _warning(callers, target, found))


def _distinct(callers: Callers, target: str, is_target: Callable[[str, str], bool]) -> dict[str, Caller]:
    found: dict[str, Caller] = {}
    by_key: set[str] = set()
    known = [(each.address, each.caller) for each in callers.seen() if is_target(each.address, target)]
    covered = {address for _, caller in known for address in caller.addresses}
    others = [(address, callers.caller(address)) for address in callers.addresses(target) - covered]
    # An ordinary address stands for a caller rather than a link-local one, which may be found only after it has asked.
    for address, caller in sorted((*known, *others), key=lambda each: (callers.is_beside(each[0]), each[0])):
        key = caller.container or caller.key
        if key not in by_key:
            by_key.add(key)
            found[address] = caller
    return found


def _warning(callers: Callers, target: str, found: dict[str, Caller]) -> str | None:
    if not found:
        return f"{target!r} matches no caller: {_why_none(callers, target)}"
    if is_address(target):
        return None
    unjoined, ownerless = callers.unjoined(), sorted(callers.without_owner(target))
    has_asked = any(each.has_asked and callers.is_target(each.address, target) for each in callers.seen())
    if ownerless:
        why = f"no neighbour of the mock has {', '.join(ownerless)}"
    elif unjoined and not has_asked:
        why = "the mock does not see the hardware address of both"
    else:
        return None
    such_as = f", such as {unjoined[0]}, which has asked" if unjoined else ""
    return (
        f"{target!r} may miss requests from a link-local address: {why}. "
        f"Write the address under `link_local_ips` in place of the name{such_as}"
    )


def _why_none(callers: Callers, target: str) -> str:
    if is_address(target):
        return (
            f"no container is known at {plain(target)}, and no request has come from it. "
            "`imds-mock ctl callers` lists who has asked"
        )
    names = sorted({name for each in callers.seen() for name in each.caller.names})
    near = get_close_matches(target, names, 1)
    unjoined = callers.unjoined()
    if near:
        advice = f"did you mean {near[0]!r}?"
    elif unjoined:
        advice = (
            f"For a caller with `link_local_ips` write its address there; {', '.join(unjoined)} asked without a name"
        )
    else:
        advice = "`imds-mock ctl callers` lists who has asked"
    return f"no container and no service has this name now. {advice}"
