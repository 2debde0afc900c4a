"""The configuration read while the mock serves: a large file in a process of its own.

Parsing and checking a file of 1 MiB takes seconds of the interpreter, and a thread would share it with those that ask.
`anew` is the mock's side; as a program this module is the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.build.loading import load
from imds_mock.config.errors import ConfigError, Problem
from imds_mock.config.settings import Config
from imds_mock.config.sources import file_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGE_BYTES: Final = 32 * 1024
"""From this size on a file is read in a process of its own."""

PATIENCE_SECONDS: Final = 60.0
"""How long that process may take."""

_NICENESS: Final = 10


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the configuration from its sources, as often as asked; see `load`.

    Attributes:
        overrides: What flags set.
        environ: Environment variables.
        file: The configuration file, if one was given.
        defaults: What takes the place of the schema's defaults.
    """

    overrides: Mapping[str, object]
    environ: Mapping[str, str]
    file: Path | None
    defaults: Mapping[str, Any]

    def __call__(self) -> Config:
        """Read all sources.

        Raises:
            ConfigError: As for `load`.
        """
        return load(self.overrides, self.environ, self.file, self.defaults)

    def is_large(self) -> bool:
        """Whether the file takes long to read."""
        file = file_of(self.environ, self.file)
        with contextlib.suppress(OSError):
            return file is not None and file.stat().st_size >= LARGE_BYTES
        return False


class Order(msgspec.Struct, frozen=True):
    """What is to be read; see `Reading`."""

    overrides: dict[str, Any]
    file: str | None
    defaults: dict[str, Any]


class Outcome(msgspec.Struct, frozen=True):
    """What was read.

    Attributes:
        config: The configuration; None if it cannot be used.
        problems: Why not.
    """

    config: Config | None
    problems: tuple[Problem, ...] = ()


async def anew(read: Callable[[], Config]) -> Config:
    """Read the configuration beside a running mock.

    Args:
        read: Reads it; runs in a thread, or in another process if it is a `Reading` with a large file.

    Raises:
        ConfigError: It cannot be used, or takes too long.
    """
    if not (isinstance(read, Reading) and read.is_large()):
        return await asyncio.to_thread(read)
    order = Order(dict(read.overrides), None if read.file is None else str(read.file), dict(read.defaults))
    outcome = await _outcome(order, read.environ)
    if outcome is None:
        raise ConfigError(f"{file_of(read.environ, read.file)}: takes longer to read than {PATIENCE_SECONDS:.0f} s")
    if outcome.config is None:
        raise ConfigError(outcome.problems)
    return outcome.config


async def _outcome(order: Order, environ: Mapping[str, str]) -> Outcome | None:
    # -P: nothing that lies in the working directory is taken for a module.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(environ),
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, _ = await process.communicate(msgspec.json.encode(order))
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ConfigError(f"the process that reads the configuration ended with code {process.returncode}")
    return msgspec.json.decode(out, type=Outcome)


def main() -> int:
    """Read an order from standard input, write its outcome to standard output."""
    import os  # noqa: PLC0415 - the environment is this process's own here, and an argument everywhere else

    # The mock goes first where both want the same processor.
    os.nice(_NICENESS)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    file = None if order.file is None else Path(order.file)
    try:
        outcome = Outcome(load(order.overrides, os.environ, file, order.defaults))
    except ConfigError as error:
        outcome = Outcome(None, error.problems)
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main())
