"""The armed faults, and the changes that they make to a response."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from imds_mock.faults.kinds import AnyFault, FaultContext
from imds_mock.scheduling.fields import collecting, raise_if_any
from imds_mock.scheduling.patterns import PathPattern
from imds_mock.scheduling.window import Window
from imds_mock.violations.words import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imds_mock.scheduling.fields import WrongField
    from imds_mock.service.messages import Request, Response

MAX_FAULTS: Final = 1000


class FaultState(enum.StrEnum):
    """The state of a fault."""

    PENDING = "pending"
    ACTIVE = "active"
    SPENT = "spent"
    ENDED = "ended"


class ArmedFault(msgspec.Struct):
    """One fault and the number of requests that it has affected.

    Attributes:
        id: The fault's id in the API, such as `status-1`.
        fault: The fault as it was given.
        window: When it is active.
        pattern: The compiled path pattern.
        hits: Number of requests that it has affected.
    """

    id: str
    fault: AnyFault
    window: Window
    pattern: PathPattern
    hits: int = 0

    def state(self, now: float) -> FaultState:
        """The state at `now` (seconds since the epoch)."""
        if self.fault.count is not None and self.hits >= self.fault.count:
            return FaultState.SPENT
        if now < self.window.start:
            return FaultState.PENDING
        return FaultState.ACTIVE if now in self.window else FaultState.ENDED


class UnknownFaultError(LookupError):
    """No armed fault has this id."""


class TooManyFaultsError(RuntimeError):
    """The limit of `MAX_FAULTS` is reached."""


def arm(fault: AnyFault, fault_id: str, now: float) -> ArmedFault:
    """Validate a fault at `now` (seconds since the epoch) and compile its pattern.

    Raises:
        FieldError: One or more fields are invalid.
    """
    problems: list[WrongField] = []
    window, pattern = Window(now), PathPattern("*")
    with collecting(problems):
        fault.check()
    with collecting(problems):
        window = fault.window(now)
    with collecting(problems):
        pattern = PathPattern(fault.path)
    raise_if_any(problems)
    return ArmedFault(fault_id, fault, window, pattern)


class ArmedFaults:
    """The armed faults, in the order in which they are applied.

    Args:
        is_target: Tells whether a target, a name or an address, stands for a caller's address.
        random: Returns numbers from 0 up to, but not including, 1.
    """

    __slots__ = ("_is_target", "_number", "_random", "armed")

    def __init__(self, is_target: Callable[[str, str], bool], random: Callable[[], float]) -> None:
        self._is_target = is_target
        self._random = random
        self.armed: tuple[ArmedFault, ...] = ()
        """All faults, including spent and ended ones."""
        self._number = 0

    def arm(self, fault: AnyFault, now: float) -> ArmedFault:
        """Add a fault at `now` (seconds since the epoch).

        Raises:
            FieldError: A field is invalid.
            TooManyFaultsError: `MAX_FAULTS` faults are armed already.
        """
        if len(self.armed) >= MAX_FAULTS:
            raise TooManyFaultsError(f"{MAX_FAULTS} faults are armed; remove some first")
        armed = arm(fault, f"{fault.kind}-{self._number + 1}", now)
        self._number += 1
        self.armed = (*self.armed, armed)
        return armed

    def get(self, fault_id: str) -> ArmedFault:
        """The fault with this id.

        Raises:
            UnknownFaultError: No fault has this id.
        """
        for armed in self.armed:
            if armed.id == fault_id:
                return armed
        raise UnknownFaultError(unknown("fault", fault_id, (armed.id for armed in self.armed), "no fault is armed"))

    def remove(self, fault_id: str) -> None:
        """Remove a fault.

        Raises:
            UnknownFaultError: No fault has this id.
        """
        gone = self.get(fault_id)
        self.armed = tuple(armed for armed in self.armed if armed is not gone)

    def clear(self) -> None:
        """Remove all faults."""
        self.armed = ()

    def replace_all(self, faults: Iterable[AnyFault], now: float) -> None:
        """Replace all faults at `now` (seconds since the epoch).

        Raises:
            FieldError: A field of a new fault is invalid.
        """
        self.armed = ()
        for fault in faults:
            self.arm(fault, now)

    def apply(
        self, response: Response, request: Request, caller: str, now: float, token_issued_at: Callable[[], float | None]
    ) -> Response:
        """The response with the changes of every active fault that matches the request.

        Args:
            response: The response without faults.
            request: The request.
            caller: The caller's IP address.
            now: Wall-clock time in seconds since the epoch.
            token_issued_at: Returns when the request's session token was issued; None if it has no valid one.
        """
        if not response.counted:
            return response
        for armed in self.armed:
            if not self._affects(armed, request, caller, now):
                continue
            changed = armed.fault.apply(response, FaultContext(now, armed.window.start, token_issued_at()))
            if changed is not None:
                armed.hits += 1
                response = replace(changed, faults=(*changed.faults, armed.id))
        return response

    def _affects(self, armed: ArmedFault, request: Request, caller: str, now: float) -> bool:
        fault = armed.fault
        return (
            armed.state(now) is FaultState.ACTIVE
            and armed.pattern.matches(request.path)
            and (fault.target is None or self._is_target(caller, fault.target))
            and (fault.rate >= 1.0 or self._random() < fault.rate)
        )
