"""Mocks that serve the reference instance, one per network namespace, and the results of running clients on them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support import reference_instance
from support.imds_program import running_imds
from support.real_clients import Run

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping

    from client_install import Clients
    from netlab import Lab
    from support.imds_program import ImdsProgram
    from support.real_clients import Client

OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "optional": {"http_tokens": "optional"},
    "required": {"http_tokens": "required"},
    # As in a container on an instance whose hop limit is 1: token responses do not arrive.
    "lost": {"http_tokens": "optional", "http_put_response_hop_limit": 1, "container_hops": 1},
}


class Instances:
    """The reference instance with each set of metadata options; each starts when it is first used."""

    def __init__(self, lab: Lab, folder: Path, stack: contextlib.ExitStack, clients: Clients) -> None:
        self._lab, self._folder, self._stack, self._clients = lab, folder, stack, clients
        self._running: dict[str, ImdsProgram] = {}
        self._served_by_tokens: dict[str, reference_instance.ServedValues] = {}
        self._runs: dict[tuple[str, str, int], Run] = {}

    def __getitem__(self, tokens: str) -> ImdsProgram:
        if tokens not in self._running:
            folder = self._folder / tokens
            folder.mkdir()
            running = running_imds(
                reference_instance.document(**OPTIONS[tokens]),
                folder,
                namespace=self._lab.namespace(f"tokens-{tokens}"),
            )
            self._running[tokens] = self._stack.enter_context(running)
        return self._running[tokens]

    def run(self, client: Client, tokens: str, family: int) -> Run:
        """The result of a client; each client runs once per instance and IP version."""
        expected = client.without_tokens if tokens == "lost" else client.expected
        assert expected is not None
        key = (client.name, tokens, family)
        while key not in self._runs:
            imds, served = self[tokens], self._served(tokens)
            imds.asked()
            seen = client.run(imds, self._clients, family)
            asked = imds.asked()
            # If the credentials were renewed meanwhile, it is unknown which ones the client should have read.
            if self._served(tokens) is served:
                self._runs[key] = Run(seen, expected(served), asked)
        return self._runs[key]

    def _served(self, tokens: str) -> reference_instance.ServedValues:
        imds, with_token = self[tokens], tokens != "lost"
        known = self._served_by_tokens.get(tokens)
        if known is None or reference_instance.read_credentials(imds, with_token=with_token) != known.credentials:
            known = self._served_by_tokens[tokens] = reference_instance.read_served_values(
                imds, Path(sys.executable), with_token=with_token
            )
        return known
