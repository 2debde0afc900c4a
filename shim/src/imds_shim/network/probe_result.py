"""The result of probing a server."""

from __future__ import annotations

from typing import Literal

from imds_shim.frozen_record import FrozenRecord


class NoAnswerError(Exception):
    """There was no HTTP response; `str()` is the rest of a sentence that begins with the server's address."""


class ProbeResult(FrozenRecord):
    """The kind of server, the id of an imds-mock, and a description for the user.

    `accepts` is true if an imds-mock has accepted the announcement; `refusal` is the sentence with which it refused.
    `seen_as` is the address that the mock sees, if it is not this container's. `control` is the control port of an
    imds-mock, `other` a server that is not an IMDS.
    """

    kind: Literal["mock", "imds", "control", "other"]
    mock_id: str | None
    description: str
    accepts: bool = False
    refusal: str = ""
    seen_as: str = ""

    @property
    def is_imds(self) -> bool:
        """Whether the server is an IMDS, this mock or another."""
        return self.kind in ("mock", "imds")
