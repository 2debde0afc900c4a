"""Matches a target to known callers, and explains why it matches none or may miss some."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imds_mock.callers.caller import is_address, normalize_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.callers.caller import Caller
    from imds_mock.callers.table import CallerTable


class TargetMatch(NamedTuple):
    """The callers that a target matches.

    Attributes:
        callers: The callers by the address that stands for them, each once however many addresses it has, sorted.
        warning: Why the target matches none or may miss some, and what to write instead; None if it does neither.
    """

    callers: dict[str, Caller]
    warning: str | None


def match_target(table: CallerTable, target: str, *, in_journal: bool = False) -> TargetMatch:
    """The callers that a target matches now.

    Args:
        table: The known callers; the target has been resolved.
        target: Address, container or service name.
        in_journal: Include containers that are gone, because the journal may contain their requests.
    """
    is_target = table.was_target if in_journal else table.is_target
    found = _distinct(table, target, is_target)
    return TargetMatch(found, _warning(table, target, found))


def _distinct(table: CallerTable, target: str, is_target: Callable[[str, str], bool]) -> dict[str, Caller]:
    found: dict[str, Caller] = {}
    keys: set[str] = set()
    known = [(each.address, each.caller) for each in table.known_callers() if is_target(each.address, target)]
    covered = {address for _, caller in known for address in caller.addresses}
    others = [(address, table.caller(address)) for address in table.addresses(target) - covered]
    # An ordinary address is shown rather than a link-local one, which may become known only after its first request.
    for address, caller in sorted((*known, *others), key=lambda each: (table.is_link_local(each[0]), each[0])):
        key = caller.container or caller.key
        if key not in keys:
            keys.add(key)
            found[address] = caller
    return found


def _warning(table: CallerTable, target: str, found: dict[str, Caller]) -> str | None:
    if not found:
        return f"{target!r} matches no caller: {_why_none(table, target)}"
    if is_address(target):
        return None
    unlinked, missing = table.unlinked_addresses(), sorted(table.addresses_without_neighbour(target))
    has_asked = any(each.has_asked and table.is_target(each.address, target) for each in table.known_callers())
    if missing:
        why = f"no neighbour of the mock has {', '.join(missing)}"
    elif unlinked and not has_asked:
        why = "the mock cannot compare the hardware addresses of both"
    elif found.keys().isdisjoint(each.address for each in table.known_callers()):
        return (
            f"{target!r} is {', '.join(found)}, and no container is known there. If that is the virtual IP of a "
            "service, the target matches none of its containers: in a Swarm, use `endpoint_mode: dnsrr` or an address "
            f"of tasks.{target}; in Kubernetes, use a headless Service"
        )
    else:
        return None
    example = f", such as {unlinked[0]}, which has sent requests" if unlinked else ""
    return (
        f"{target!r} may miss requests from a link-local address: {why}. "
        f"Use the address under `link_local_ips` instead of the name{example}"
    )


def _why_none(table: CallerTable, target: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a warning needs it

    if is_address(target):
        return (
            f"no container is known at {normalize_address(target)}, and no request has come from it. "
            "`imds-mock ctl callers` lists the known callers"
        )
    names = sorted({name for each in table.known_callers() for name in each.caller.names})
    similar = get_close_matches(target, names, 1)
    unlinked = table.unlinked_addresses()
    if similar:
        advice = f"Did you mean {similar[0]!r}?"
    elif unlinked:
        advice = f"For a caller with `link_local_ips`, use its address there; unnamed callers: {', '.join(unlinked)}"
    else:
        advice = "`imds-mock ctl callers` lists the known callers"
    return f"no container or service has this name now. {advice}"
