"""The standard library's `signal` and `socket` without enumerations.

The modules in C below them have the same functions and constants, as plain numbers. With the real modules the tree is
0.27 MB larger, and a start takes 2% longer: `signal` makes members of enumerations of what its functions return.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import signal as signal  # noqa: PLC0414 - exported
    import socket as socket  # noqa: PLC0414 - exported
else:
    import _signal as signal  # noqa: F401 - exported
    import _socket

    class _Socket(_socket.socket):
        """A socket that a `with` block closes, like that of the module `socket`."""

        __slots__ = ()

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_of: object) -> None:
            self.close()

    socket = ModuleType("socket")
    vars(socket).update(vars(_socket), socket=_Socket)
