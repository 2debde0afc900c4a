"""Faults: armed, listed, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.control import shown
from imds_mock.control.operations import Operation
from imds_mock.control.shown import ShownFault
from imds_mock.faults.kinds import AnyFault

if TYPE_CHECKING:
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call


class FaultRoutes:
    """The operations on faults.

    Args:
        cockpit: What they drive.
    """

    group: Final = "faults"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            Operation("GET", "/v1/faults", "List the faults", self.list, tuple[ShownFault, ...]),
            Operation(
                "POST", "/v1/faults", "Arm a fault", self.arm, ShownFault, body=AnyFault, status=201, problems=(409,)
            ),
            Operation("DELETE", "/v1/faults", "Remove all faults", self.clear, None),
            Operation("GET", "/v1/faults/{id}", "Show a fault", self.show, ShownFault, problems=(404,)),
            Operation("DELETE", "/v1/faults/{id}", "Remove a fault", self.remove, None, problems=(404,)),
        ]

    async def list(self, _call: Call) -> tuple[ShownFault, ...]:
        """All faults, in the order in which they are applied."""
        await self._context.look_up()
        now = self._state.clock()
        return tuple(shown.fault(each, now, self._context.callers) for each in self._state.faults.armed)

    async def arm(self, call: Call) -> ShownFault:
        """One more fault."""
        await self._context.look_up(call.body.target)
        now = self._state.clock()
        return shown.fault(self._state.faults.arm(call.body, now), now, self._context.callers)

    async def clear(self, _call: Call) -> None:
        """No faults any more."""
        self._state.faults.clear()

    async def show(self, call: Call) -> ShownFault:
        """One fault."""
        await self._context.look_up()
        return shown.fault(self._state.faults.get(call.path["id"]), self._state.clock(), self._context.callers)

    async def remove(self, call: Call) -> None:
        """One fault less."""
        self._state.faults.remove(call.path["id"])
