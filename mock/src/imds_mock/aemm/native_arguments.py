"""Tells command lines of AEMM from those meant for `imds-mock` itself, and shows the command that was meant."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from imds_mock.aemm import hints
from imds_mock.aemm.arguments import FLAGS, positional
from imds_mock.aemm.keys import COMMANDS, UsageError
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from imds_mock.aemm.arguments import Arguments

_SERVE: Final = ("imds-mock", "serve")
_SAME_FLAGS: Final = {"-p": "--port", "-n": "--host", "--hostname": "--host"}
_ALL_ADDRESSES: Final = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 - the default of `serve`


class NativeArguments(Record, frozen=True):
    """The command line of `imds-mock`.

    Attributes:
        commands: The names of its commands.
        flags: The flags of `imds-mock serve`, with dashes.
    """

    commands: Collection[str]
    flags: Collection[str]

    def require_aemm_arguments(self, argv: Sequence[str]) -> None:
        """Reject arguments that are meant for `imds-mock` itself.

        Args:
            argv: The words after `imds-mock`; the first is a flag or a command of AEMM.

        Raises:
            UsageError: They are; the message contains the command to run.
        """
        first, *_ = [*positional(argv), ""]
        if first in self.commands:
            place = list(argv).index(first)
            line = self._line(["imds-mock", first], [*argv[:place], *argv[place + 1 :]])
            raise UsageError(f"the command {first} must come first; run: {line}")
        for word in () if first in COMMANDS else argv:
            name = word.partition("=")[0]
            if name.startswith("--") and name not in FLAGS:
                suggested = hints.suggestion(name, [*self.flags, *FLAGS])
                if suggested in self.flags and suggested not in FLAGS:
                    line = self._line(_SERVE, argv, {name: str(suggested)})
                    raise UsageError(
                        f"{name} is not a flag of amazon-ec2-metadata-mock; to use it with imds-mock, run: {line}"
                    )

    def notice(self, word: str, arguments: Arguments) -> str:
        """The log line that says why AEMM's data is served, with the command for the data of `imds-mock`.

        Args:
            word: The first word of the command line.
            arguments: The parsed command line.
        """
        return (
            f"{word} is an argument of amazon-ec2-metadata-mock, so its data and events are served; "
            f"to serve those of imds-mock, run: {shlex.join([*_SERVE, *_native_flags(arguments)])}"
        )

    def _line(self, command: Sequence[str], words: Sequence[str], renamed: dict[str, str] | None = None) -> str:
        names = {**_SAME_FLAGS, **(renamed or {})}
        written = (word.partition("=") for word in words)
        return shlex.join([*command, *(f"{names.get(name, name)}{equals}{value}" for name, equals, value in written)])


def _native_flags(arguments: Arguments) -> Iterator[str]:
    """The equivalent flags of `imds-mock serve`."""
    given = arguments.values
    if given.get("server.hostname", "") not in _ALL_ADDRESSES:
        yield from ("--host", str(given["server.hostname"]))
    if "server.port" in given:
        yield from ("--port", str(given["server.port"]))
    if given.get("imdsv2"):
        yield from ("--set", "metadata_options.http_tokens=required")
