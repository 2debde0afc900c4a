"""Composition root: load the configuration, build the real effects, run, print one line on failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[bytes], environ: Sequence[bytes]) -> int:
    """Do what the arguments after the program's name ask; returns the exit code unless a command was exec'd."""
    raise NotImplementedError


def main() -> int:
    """Entry point of the console script."""
    raise NotImplementedError
