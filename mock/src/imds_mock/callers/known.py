"""What is known of one address, and the look-up that is under way for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio

    from imds_mock.callers.caller import Caller


class Seen(NamedTuple):
    """A caller as it is known.

    Attributes:
        address: The address that it is known by.
        caller: What is known of it.
        has_asked: It has sent a request; otherwise it is known because the control plane was asked about it.
    """

    address: str
    caller: Caller
    has_asked: bool


class Known:
    """What is known of one address.

    Args:
        caller: The caller with nothing but the address.

    Attributes:
        caller: Who has the address.
        last_names: The names of the container that had it before, and has them in the journal as long as no other has
            the address.
        has_asked: A request has come from it; otherwise only the control plane has asked about it.
        answered: The name server has answered, be it that there is no name.
        unanswered: A request had to go on without its answer.
        met: When it was last asked about. This and the next two are times of the monotonic clock in seconds.
        ask_again: When to look it up again.
        thorough_again: When to ask for everything, although the same container has it.
        look_up: The look-up under way.
        waiting: Is done when the look-up has ended, or has taken too long.
    """

    __slots__ = ("answered", "ask_again", "caller", "has_asked", "last_names", "look_up", "met", "thorough_again",
                 "unanswered", "waiting")  # fmt: skip

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.last_names: tuple[str, ...] = ()
        self.has_asked = self.answered = self.unanswered = False
        self.met = self.ask_again = self.thorough_again = 0.0
        self.look_up: asyncio.Task[None] | None = None
        self.waiting: asyncio.Future[None] | None = None

    def give_up(self, waiting: asyncio.Future[None]) -> None:
        """End the waiting for a look-up that has taken too long; it goes on."""
        if self.waiting is waiting:
            self.unanswered = not self.answered
            self.release()

    def release(self) -> None:
        """End the waiting for the look-up."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)
        self.waiting = None
