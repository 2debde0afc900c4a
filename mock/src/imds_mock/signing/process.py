"""Loads keys and signs documents in a separate process, to save memory and time in the mock.

The cryptography library needs 10 MB, and generating keys blocks the interpreter for up to half a second: too much for a
service that answers in a tenth of a millisecond. The mock calls `prepare_signatures`; the process runs this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.signing.keys import KeyDirectoryError
from imds_mock.signing.signer import KeyPair, SignedDocument, Signer

if TYPE_CHECKING:
    from collections.abc import Sequence

_EX_OK: Final = 0


class UnsignedDocument(msgspec.Struct, frozen=True):
    """A document to sign; see `SignedDocument`."""

    document: bytes
    pending_time: float
    ssh_signer_name: str


class SigningRequest(msgspec.Struct, frozen=True):
    """The input of the process.

    Attributes:
        key_directory: The folder of the keys; None takes the default one.
        documents: The documents to sign.
    """

    key_directory: str | None
    documents: list[UnsignedDocument]


class SigningResult(msgspec.Struct, frozen=True):
    """The output of the process.

    Attributes:
        pairs: Keys by name.
        signed: For each document its computed leaves by name.
    """

    pairs: dict[str, KeyPair]
    signed: list[dict[str, bytes]]


async def prepare_signatures(signer: Signer) -> None:
    """Load keys and sign the latest documents in a separate process; if it fails, load the keys in a thread.

    Args:
        signer: Receives the keys; its documents receive the signatures.

    Raises:
        KeyDirectoryError: The configured folder cannot be used.
    """
    documents = tuple(signer.latest)
    result = await _run_process(_request(signer.key_directory, documents))
    if result is None:
        # Succeeds here, or raises the reason.
        await asyncio.to_thread(signer.prepare)
    elif signer.adopt_keys(result.pairs):
        for document, signed in zip(documents, result.signed, strict=True):
            document.bodies.update(signed)


def sign_documents(request: SigningRequest) -> SigningResult:
    """Load keys and sign documents.

    Raises:
        KeyDirectoryError: The folder cannot be used.
    """
    signer = Signer(None if request.key_directory is None else Path(request.key_directory))
    signed = [
        SignedDocument(signer, each.document, each.pending_time, each.ssh_signer_name).sign_all()
        for each in request.documents
    ]
    return SigningResult(signer.pairs(), signed)


def _request(key_directory: Path | None, documents: Sequence[SignedDocument]) -> SigningRequest:
    unsigned = [UnsignedDocument(each.document, each.pending_time, each.ssh_signer_name) for each in documents]
    return SigningRequest(None if key_directory is None else str(key_directory), unsigned)


async def _run_process(request: SigningRequest) -> SigningResult | None:
    try:
        # -P: modules in the working directory are ignored.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    communicating = asyncio.ensure_future(process.communicate(msgspec.json.encode(request)))
    try:
        out, _ = await asyncio.shield(communicating)
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):  # it has just exited
            process.kill()
        await communicating  # until its pipes are closed, too
        raise
    return msgspec.json.decode(out, type=SigningResult) if process.returncode == _EX_OK else None


def main() -> int:
    """Read a request from standard input, write the result to standard output."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=SigningRequest)
    try:
        result = sign_documents(request)
    except KeyDirectoryError as error:
        return error.exit_code
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return _EX_OK


if __name__ == "__main__":
    sys.exit(main())
