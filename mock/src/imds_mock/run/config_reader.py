"""Reads the configuration while the mock serves: a large file in a separate process.

Parsing and checking a file of 1 MiB takes seconds of the interpreter, which a thread would share with the requests.
`read_in_background` is the mock's side; run as a program, this module is the other side.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import field

from imds_mock.build.loading import load
from imds_mock.config.errors import ConfigError, Problem
from imds_mock.config.settings import Config
from imds_mock.config.sources import file_of
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGE_BYTES: Final = 32 * 1024
"""Files of at least this size are read in a separate process."""

TIMEOUT_SECONDS: Final = 60.0
"""The timeout of that process."""

_NICENESS: Final = 10


class ConfigReader(Record, frozen=True):
    """Reads the configuration from its sources, as often as asked; see `load`.

    Attributes:
        overrides: Settings from options, by key.
        environ: Environment variables.
        file: The configuration file, if one was given.
        defaults: Replaces some of the schema's defaults.
        places: The file, variable or flag that sets each key, as last read.
    """

    overrides: Mapping[str, object]
    environ: Mapping[str, str]
    file: Path | None
    defaults: Mapping[str, Any]
    places: dict[str, str] = field(default_factory=dict)

    def __call__(self) -> Config:
        """Read all sources.

        Raises:
            ConfigError: As for `load`.
        """
        return load(self.overrides, self.environ, self.file, self.defaults, self.places)

    def is_large(self) -> bool:
        """Whether the file is read in a separate process."""
        file = file_of(self.environ, self.file)
        with contextlib.suppress(OSError):
            return file is not None and file.stat().st_size >= LARGE_BYTES
        return False


class ReadRequest(msgspec.Struct, frozen=True):
    """What to read; see `ConfigReader`."""

    overrides: dict[str, Any]
    file: str | None
    defaults: dict[str, Any]


class ReadResult(msgspec.Struct, frozen=True):
    """The result of a `ReadRequest`.

    Attributes:
        config: The configuration; None if it is invalid.
        problems: What is wrong with it.
        places: See `ConfigReader`.
    """

    config: Config | None
    problems: tuple[Problem, ...] = ()
    places: dict[str, str] = {}


async def read_in_background(read: Callable[[], Config]) -> Config:
    """Read the configuration without delaying requests.

    Args:
        read: Reads it; called in a thread, or in a separate process if it is a `ConfigReader` with a large file.

    Raises:
        ConfigError: It is invalid, takes too long to read, or the process cannot be started.
    """
    if not (isinstance(read, ConfigReader) and read.is_large()):
        return await asyncio.to_thread(read)
    request = ReadRequest(dict(read.overrides), None if read.file is None else str(read.file), dict(read.defaults))
    result = await _run_process(request, read.environ)
    if result is None:
        raise ConfigError(f"{file_of(read.environ, read.file)}: takes longer to read than {TIMEOUT_SECONDS:.0f} s")
    if result.config is None:
        raise ConfigError(result.problems)
    read.places.clear()
    read.places.update(result.places)
    return result.config


async def _run_process(request: ReadRequest, environ: Mapping[str, str]) -> ReadResult | None:
    try:
        # -P: modules in the working directory are ignored.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environ),
        )
    except OSError as error:  # uvloop's does not say which limit it is
        raise ConfigError(
            "cannot start the process that reads the configuration; raise the limit of open files or of processes"
        ) from error
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            out, _ = await process.communicate(msgspec.json.encode(request))
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ConfigError(f"the process that reads the configuration exited with code {process.returncode}")
    return msgspec.json.decode(out, type=ReadResult)


def main() -> int:
    """Read a request from standard input and write its result to standard output."""
    import os  # noqa: PLC0415 - the environment is an argument everywhere else

    # The mock has priority if both want the same processor.
    os.nice(_NICENESS)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=ReadRequest)
    file = None if request.file is None else Path(request.file)
    try:
        places: dict[str, str] = {}
        result = ReadResult(load(request.overrides, os.environ, file, request.defaults, places), places=places)
    except ConfigError as error:
        result = ReadResult(None, error.problems)
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
