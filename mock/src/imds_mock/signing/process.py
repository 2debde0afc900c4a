"""Keys and signatures made in a process of its own, so that neither memory nor time of the mock goes into them.

The library for them takes ten megabytes, and making keys up to half a second of the interpreter: too much beside a
service that answers in a tenth of a millisecond. `prepare` is the mock's side; as a program this module is the other.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.signing.keys import KeyDirectoryError
from imds_mock.signing.signer import KeyPair, SignedDocument, Signer

if TYPE_CHECKING:
    from collections.abc import Sequence

_EX_OK: Final = 0


class Unsigned(msgspec.Struct, frozen=True):
    """A document that is to be signed; see `SignedDocument`."""

    document: bytes
    pending_time: float
    ssh_signer_name: str


class Order(msgspec.Struct, frozen=True):
    """What is to be made.

    Attributes:
        key_directory: Where the keys are; None takes this user's temporary folder.
        documents: What is to be signed.
    """

    key_directory: str | None
    documents: list[Unsigned]


class Made(msgspec.Struct, frozen=True):
    """What was made.

    Attributes:
        pairs: A key for each name.
        signed: What goes with each document, by the name of the leaf.
    """

    pairs: dict[str, KeyPair]
    signed: list[dict[str, bytes]]


async def prepare(signer: Signer) -> None:
    """Have keys made and the latest documents signed in another process; where there can be none, in a thread.

    Args:
        signer: Gets the keys, its documents what goes with them.

    Raises:
        KeyDirectoryError: The configured folder cannot be used.
    """
    documents = tuple(signer.latest)
    made = await _have_made(_order(signer.key_directory, documents))
    if made is None:
        # The same here says why it cannot be, or can be after all.
        await asyncio.to_thread(signer.prepare)
    elif signer.take_over(made.pairs):
        for document, signed in zip(documents, made.signed, strict=True):
            document.made.update(signed)


def fulfil(order: Order) -> Made:
    """Make what is ordered.

    Args:
        order: What is to be made.

    Raises:
        KeyDirectoryError: The folder cannot be used.
    """
    signer = Signer(None if order.key_directory is None else Path(order.key_directory))
    signed = [
        SignedDocument(signer, each.document, each.pending_time, each.ssh_signer_name).make_all()
        for each in order.documents
    ]
    return Made(signer.pairs(), signed)


def _order(key_directory: Path | None, documents: Sequence[SignedDocument]) -> Order:
    unsigned = [Unsigned(each.document, each.pending_time, each.ssh_signer_name) for each in documents]
    return Order(None if key_directory is None else str(key_directory), unsigned)


async def _have_made(order: Order) -> Made | None:
    try:
        # -P: nothing that lies in the working directory is taken for a module.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        out, _ = await process.communicate(msgspec.json.encode(order))
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return msgspec.json.decode(out, type=Made) if process.returncode == _EX_OK else None


def main() -> int:
    """Read an order from standard input, write what was made to standard output."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        made = fulfil(order)
    except KeyDirectoryError as error:
        return error.exit_code
    sys.stdout.buffer.write(msgspec.json.encode(made))
    return _EX_OK


if __name__ == "__main__":
    sys.exit(main())
