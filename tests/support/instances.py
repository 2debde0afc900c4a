"""The instances that real clients are asked about, one a network namespace, and what came of each run."""

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
    from support.imds_program import Imds
    from support.real_clients import Client

OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "optional": {"http_tokens": "optional"},
    "required": {"http_tokens": "required"},
    # As for a container on an instance whose hop limit is 1: no token answer arrives.
    "lost": {"http_tokens": "optional", "http_put_response_hop_limit": 1, "container_hops": 1},
}


class Instances:
    """The subject with each set of metadata options; each starts when it is first needed."""

    def __init__(self, lab: Lab, folder: Path, stack: contextlib.ExitStack, clients: Clients) -> None:
        self._lab, self._folder, self._stack, self._clients = lab, folder, stack, clients
        self._running: dict[str, Imds] = {}
        self._truths: dict[str, reference_instance.Truth] = {}
        self._runs: dict[tuple[str, str, int], Run] = {}

    def __getitem__(self, tokens: str) -> Imds:
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
        """What came of running a client; it runs once."""
        expected = client.without_tokens if tokens == "lost" else client.expected
        assert expected is not None
        key = (client.name, tokens, family)
        while key not in self._runs:
            imds, truth = self[tokens], self._truth(tokens)
            imds.asked()
            seen = client.run(imds, self._clients, family)
            asked = imds.asked()
            # Otherwise the credentials were renewed meanwhile, and nobody can tell which ones it should have read.
            if self._truth(tokens) is truth:
                self._runs[key] = Run(seen, expected(truth), asked)
        return self._runs[key]

    def _truth(self, tokens: str) -> reference_instance.Truth:
        imds, with_token = self[tokens], tokens != "lost"
        known = self._truths.get(tokens)
        if known is None or reference_instance.read_credentials(imds, with_token=with_token) != known.credentials:
            known = self._truths[tokens] = reference_instance.read_truth(
                imds, Path(sys.executable), with_token=with_token
            )
        return known
