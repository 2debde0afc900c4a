"""The command line of the ordinary mock for one that `imds-mock` takes for AEMM's."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imds_mock.aemm import hints
from imds_mock.aemm.arguments import FLAGS, positional
from imds_mock.aemm.errors import UsageError
from imds_mock.aemm.keys import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from imds_mock.aemm.arguments import Arguments

_SERVE: Final = ("imds-mock", "serve")
_SAME_FLAGS: Final = {"-p": "--port", "-n": "--host", "--hostname": "--host"}
_EVERY_ADDRESS: Final = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 - AEMM's words for the default of `serve`


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What the ordinary mock's command line has.

    Attributes:
        commands: The names of its commands.
        flags: The flags of `imds-mock serve`, with their dashes.
    """

    commands: Collection[str]
    flags: Collection[str]

    def require_aemm_s(self, argv: Sequence[str]) -> None:
        """Check that words are not meant for the ordinary mock.

        Args:
            argv: The words after `imds-mock`; the first is a flag or a command of AEMM's.

        Raises:
            UsageError: They are; the sentence has the command to run.
        """
        first, *_ = [*positional(argv), ""]
        if first in self.commands:
            place = list(argv).index(first)
            line = self._line(["imds-mock", first], [*argv[:place], *argv[place + 1 :]])
            raise UsageError(f"the command {first} has to come first; run: {line}")
        for word in () if first in COMMANDS else argv:
            name = word.partition("=")[0]
            if name.startswith("--") and name not in FLAGS:
                meant = hints.for_word(name, [*self.flags, *FLAGS])
                if meant in self.flags and meant not in FLAGS:
                    line = self._line(_SERVE, argv, {name: str(meant)})
                    raise UsageError(
                        f"{name} is not a flag of amazon-ec2-metadata-mock; for the ordinary mock run: {line}"
                    )

    def says(self, word: str, arguments: Arguments) -> str:
        """The line about why AEMM's data and events are served, with the command for the ordinary mock.

        Args:
            word: The first word of the command line.
            arguments: The command line.
        """
        return (
            f"{word} is an argument of amazon-ec2-metadata-mock, so its data and events are served; "
            f"for the ordinary mock run: {shlex.join([*_SERVE, *_of(arguments)])}"
        )

    def _line(self, command: Sequence[str], words: Sequence[str], also: dict[str, str] | None = None) -> str:
        names = {**_SAME_FLAGS, **(also or {})}
        written = (word.partition("=") for word in words)
        return shlex.join([*command, *(f"{names.get(name, name)}{equals}{value}" for name, equals, value in written)])


def _of(arguments: Arguments) -> Iterator[str]:
    """The flags of `imds-mock serve` that mean the same."""
    given = arguments.values
    if given.get("server.hostname", "") not in _EVERY_ADDRESS:
        yield from ("--host", str(given["server.hostname"]))
    if "server.port" in given:
        yield from ("--port", str(given["server.port"]))
    if given.get("imdsv2"):
        yield from ("--set", "metadata_options.http_tokens=required")
