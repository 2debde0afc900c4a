"""The faults that are armed, and what they make of an answer."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from imds_mock.faults.kind import Moment
from imds_mock.faults.kinds import AnyFault, kind_of
from imds_mock.scheduling.fields import FieldError, raise_if_any
from imds_mock.scheduling.patterns import PathPattern
from imds_mock.scheduling.schedule import Window
from imds_mock.violations.words import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imds_mock.scheduling.fields import WrongField
    from imds_mock.service.messages import Request, Response

MAX_FAULTS: Final = 1000


class FaultState(enum.StrEnum):
    """Whether a fault hits anybody."""

    PENDING = "pending"
    ACTIVE = "active"
    SPENT = "spent"
    ENDED = "ended"


class ArmedFault(msgspec.Struct):
    """One fault and how often it has hit.

    Attributes:
        id: Its name in the control plane, such as `status-1`.
        fault: What goes wrong, and for which requests.
        window: When.
        pattern: The path pattern, compiled.
        hits: How many requests it has hit.
    """

    id: str
    fault: AnyFault
    window: Window
    pattern: PathPattern
    hits: int = 0

    def state(self, now: float) -> FaultState:
        """Whether the fault hits anybody at `now` (seconds since the epoch)."""
        if self.fault.count is not None and self.hits >= self.fault.count:
            return FaultState.SPENT
        if now < self.window.start:
            return FaultState.PENDING
        return FaultState.ACTIVE if now in self.window else FaultState.ENDED


class UnknownFaultError(LookupError):
    """No armed fault has that id."""


class TooManyFaultsError(RuntimeError):
    """The list is full."""


def arm(fault: AnyFault, fault_id: str, now: float) -> ArmedFault:
    """Read everything about a fault.

    Args:
        fault: What goes wrong, when, and for which requests.
        fault_id: Its name in the control plane.
        now: Seconds since the epoch.

    Raises:
        FieldError: A field cannot be read; names all that cannot.
    """
    problems: list[WrongField] = []
    window, pattern = Window(now), PathPattern("*")
    try:
        fault.check()
    except FieldError as error:
        problems += error.problems
    try:
        window = fault.window(now)
    except FieldError as error:
        problems += error.problems
    try:
        pattern = PathPattern(fault.path)
    except FieldError as error:
        problems += error.problems
    raise_if_any(problems)
    return ArmedFault(fault_id, fault, window, pattern)


class Faults:
    """The armed faults, in the order in which they are applied.

    Args:
        is_target: Says whether an address goes by a name.
        random: Gives numbers from 0 up to 1, for rates.
    """

    __slots__ = ("_is_target", "_number", "_random", "armed")

    def __init__(self, is_target: Callable[[str, str], bool], random: Callable[[], float]) -> None:
        self._is_target = is_target
        self._random = random
        self.armed: tuple[ArmedFault, ...] = ()
        """All faults, spent and ended ones included."""
        self._number = 0

    def arm(self, fault: AnyFault, now: float) -> ArmedFault:
        """Add a fault.

        Args:
            fault: What goes wrong, when, and for which requests.
            now: Seconds since the epoch.

        Raises:
            FieldError: A time among its fields cannot be read.
            TooManyFaultsError: Over `MAX_FAULTS`.
        """
        if len(self.armed) >= MAX_FAULTS:
            raise TooManyFaultsError(f"{MAX_FAULTS} faults are armed; remove some first")
        armed = arm(fault, f"{kind_of(fault)}-{self._number + 1}", now)
        self._number += 1
        self.armed = (*self.armed, armed)
        return armed

    def get(self, fault_id: str) -> ArmedFault:
        """The fault with that id.

        Raises:
            UnknownFaultError: There is none.
        """
        for armed in self.armed:
            if armed.id == fault_id:
                return armed
        raise UnknownFaultError(unknown("fault", fault_id, (armed.id for armed in self.armed), "no fault is armed"))

    def remove(self, fault_id: str) -> None:
        """Take a fault away.

        Raises:
            UnknownFaultError: There is none.
        """
        gone = self.get(fault_id)
        self.armed = tuple(armed for armed in self.armed if armed is not gone)

    def clear(self) -> None:
        """Take all faults away."""
        self.armed = ()

    def restart(self, faults: Iterable[AnyFault], now: float) -> None:
        """Have these faults alone.

        Args:
            faults: The faults.
            now: Seconds since the epoch.

        Raises:
            FieldError: One of their fields cannot be read.
        """
        self.armed = ()
        for fault in faults:
            self.arm(fault, now)

    def put_back(self, armed: tuple[ArmedFault, ...]) -> None:
        """Have the faults again that were armed at an earlier moment."""
        self.armed = armed

    def apply(
        self, response: Response, request: Request, caller: str, now: float, token_issued_at: Callable[[], float | None]
    ) -> Response:
        """Let every fault that concerns a request change its answer.

        Args:
            response: The answer that it would get.
            request: What was asked.
            caller: Address of the peer.
            now: Wall-clock time in seconds since the epoch.
            token_issued_at: Tells when the request's session token was issued; None if it has no valid one.
        """
        if not response.counted:
            return response
        for armed in self.armed:
            if not self._concerns(armed, request, caller, now):
                continue
            spoiled = armed.fault.apply(response, Moment(now, armed.window.start, token_issued_at()))
            if spoiled is not None:
                armed.hits += 1
                response = replace(spoiled, faults=(*spoiled.faults, armed.id))
        return response

    def _concerns(self, armed: ArmedFault, request: Request, caller: str, now: float) -> bool:
        fault = armed.fault
        return (
            armed.state(now) is FaultState.ACTIVE
            and armed.pattern.matches(request.path)
            and (fault.target is None or self._is_target(caller, fault.target))
            and (fault.rate >= 1.0 or self._random() < fault.rate)
        )
