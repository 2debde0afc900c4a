"""The operations on faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from imds_mock.control.operations import Operation
from imds_mock.control.shown import ShownArmed, armed_fields
from imds_mock.faults.kinds import AnyFault

if TYPE_CHECKING:
    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.faults.armed import ArmedFault


class ShownFault(ShownArmed, frozen=True, kw_only=True):
    """An armed fault."""

    hits: Annotated[int, Meta(description="Number of responses that it has changed.")]
    fault: Annotated[AnyFault, Meta(description="The fault as it was given.")]


def shown_fault(armed: ArmedFault, context: ControlContext) -> ShownFault:
    """An armed fault as the API shows it."""
    fields = armed_fields(armed, armed.fault, armed.window, context.state.clock(), context.callers)
    return ShownFault(**fields, hits=armed.hits, fault=armed.fault)


class FaultRoutes:
    """The operations on faults.

    Args:
        context: The running mock.
    """

    group: Final = "faults"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._state = context.state

    def operations(self) -> list[Operation]:
        """All operations."""
        every, one = "/v1/faults", "/v1/faults/{id}"
        return [
            Operation("GET", every, "List the faults", self.list, tuple[ShownFault, ...]),
            Operation("POST", every, "Arm a fault", self.arm, ShownFault, body=AnyFault, status=201, problems=(409,)),
            Operation("DELETE", every, "Remove all faults", self.clear, None),
            Operation("GET", one, "Show a fault", self.show, ShownFault, problems=(404,)),
            Operation("DELETE", one, "Remove a fault", self.remove, None, problems=(404,)),
        ]

    async def list(self, _call: Call) -> tuple[ShownFault, ...]:
        """All faults in the order in which they apply."""
        await self._context.look_up()
        return tuple(shown_fault(each, self._context) for each in self._state.faults.armed)

    async def arm(self, call: Call) -> ShownFault:
        """Arm a fault."""
        await self._context.look_up(call.body.target)
        return shown_fault(self._state.faults.arm(call.body, self._state.clock()), self._context)

    async def clear(self, _call: Call) -> None:
        """Remove all faults."""
        self._state.faults.clear()

    async def show(self, call: Call) -> ShownFault:
        """One fault."""
        await self._context.look_up()
        return shown_fault(self._state.faults.get(call.path["id"]), self._context)

    async def remove(self, call: Call) -> None:
        """Remove a fault."""
        self._state.faults.remove(call.path["id"])
