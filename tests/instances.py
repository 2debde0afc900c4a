"""The instances that real clients are asked about, one a network namespace, and what came of each run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import client_install
import subject
from imds import running_imds
from realclients import Run

if TYPE_CHECKING:
    import contextlib

    from imds import Imds
    from netlab import Lab
    from realclients import Client


class Instances:
    """The subject, once with tokens optional and once with tokens required; each starts when it is first needed."""

    def __init__(self, lab: Lab, folder: Path, stack: contextlib.ExitStack) -> None:
        self._lab, self._folder, self._stack = lab, folder, stack
        self._running: dict[str, Imds] = {}
        self._truths: dict[str, subject.Truth] = {}
        self._runs: dict[tuple[str, str, int], Run] = {}

    def __getitem__(self, tokens: str) -> Imds:
        if tokens not in self._running:
            folder = self._folder / tokens
            folder.mkdir()
            self._running[tokens] = self._stack.enter_context(
                running_imds(
                    subject.document(http_tokens=tokens), folder, namespace=self._lab.namespace(f"tokens-{tokens}")
                )
            )
        return self._running[tokens]

    def run(self, client: Client, tokens: str, family: int) -> Run:
        """What came of running a client; it runs once."""
        key = (client.name, tokens, family)
        while key not in self._runs:
            imds, truth = self[tokens], self._truth(tokens)
            imds.asked()
            seen = client.run(imds, client_install.install(), family)
            asked = imds.asked()
            # The credentials were renewed meanwhile: nobody can tell which ones it should have read.
            if self._truth(tokens) is truth:
                self._runs[key] = Run(seen, client.expected(truth), asked)
        return self._runs[key]

    def _truth(self, tokens: str) -> subject.Truth:
        known = self._truths.get(tokens)
        if known is None or subject.read_credentials(self[tokens]) != known.credentials:
            known = self._truths[tokens] = subject.read_truth(self[tokens], Path(sys.executable))
        return known
