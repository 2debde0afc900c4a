"""Keys and signatures from a separate process: the same as computed in the mock, without loading the library."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from asyncio.subprocess import SubprocessStreamProtocol
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imds_mock.config.facts import InstanceSettings
from imds_mock.metadata.instance import derive
from imds_mock.signing.keys import NAMES, KeyDirectoryError, read_certificates
from imds_mock.signing.process import SigningRequest, UnsignedDocument, prepare_signatures, sign_documents
from imds_mock.signing.signer import SignedDocument, Signer
from support.event_loops import LOOPS

if TYPE_CHECKING:
    from collections.abc import Callable

STARTED = 1_700_000_000.0


def document(signer: Signer) -> SignedDocument:
    return signer.sign(derive(InstanceSettings(), STARTED))


def sign_again(signer: Signer, like: SignedDocument) -> SignedDocument:
    return SignedDocument(signer, like.document, like.pending_time, like.ssh_signer_name)


def test_the_process_signs_with_the_keys_in_the_folder(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "keys")
    signed = document(signer)
    asyncio.run(prepare_signatures(signer))
    assert set(signed.bodies) == {*NAMES, signed.ssh_signer_name}
    assert signer.certificates() == read_certificates(tmp_path / "keys")
    again = sign_again(Signer(tmp_path / "keys"), signed)
    assert signed.bodies["signature"] == again.signature()  # RSA signatures are deterministic, DSA signatures are not
    assert signed.bodies["rsa2048"] == again.rsa2048()


def test_without_a_folder_the_process_returns_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file instead of the folder denies access even to root.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / f"imds-mock-{Path('/proc/self').stat().st_uid}").touch()
    signer = Signer()
    signed = document(signer)
    asyncio.run(prepare_signatures(signer))
    assert signed.bodies["signature"] == sign_again(signer, signed).signature()
    assert not (tmp_path / "signature.key").exists()


def test_keys_in_use_stay(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "one")
    signed = document(signer)
    signature = signed.signature()
    signer.key_directory = tmp_path / "other"
    asyncio.run(prepare_signatures(signer))
    assert signed.bodies == {"signature": signature}
    assert signer.certificates() == read_certificates(tmp_path / "one")


def test_the_error_names_an_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyDirectoryError, match="file/keys"):
        asyncio.run(prepare_signatures(Signer(tmp_path / "file/keys")))


def test_a_thread_replaces_a_process_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    signer = Signer(tmp_path / "keys")
    asyncio.run(prepare_signatures(signer))
    assert read_certificates(tmp_path / "keys") == signer.certificates()


@pytest.mark.parametrize("new_event_loop", LOOPS.values(), ids=LOOPS)
def test_it_can_be_canceled_once_the_process_has_exited(
    new_event_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A child of the process has inherited its standard output, which ends only with the child.
    program, end = tmp_path / "python", tmp_path / "python.end"
    program.write_text('#!/bin/sh\ncat "$0.end" &\n')
    program.chmod(0o755)
    os.mkfifo(end)
    monkeypatch.setattr(sys, "executable", str(program))
    has_exited = asyncio.Event()
    process_exited = SubprocessStreamProtocol.process_exited

    def tell(protocol: SubprocessStreamProtocol) -> None:
        process_exited(protocol)
        has_exited.set()

    # `Process.wait` may end only with the pipes.
    monkeypatch.setattr(SubprocessStreamProtocol, "process_exited", tell)

    def end_the_child() -> None:
        end.write_text("")

    async def scenario() -> None:
        signing = asyncio.ensure_future(prepare_signatures(Signer(tmp_path / "keys")))
        await has_exited.wait()
        signing.cancel()
        await asyncio.sleep(0)
        end_the_child()
        with pytest.raises(asyncio.CancelledError):
            await signing

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(scenario())


def test_every_document_is_signed(tmp_path: Path) -> None:
    result = sign_documents(
        SigningRequest(str(tmp_path), [UnsignedDocument(b"one", STARTED, "a"), UnsignedDocument(b"two", STARTED, "b")])
    )
    assert [set(each) for each in result.signed] == [{*NAMES, "a"}, {*NAMES, "b"}]
    assert set(result.pairs) == set(NAMES)


def test_the_mock_does_not_load_the_library(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from imds_mock.signing.signer import Signer; from imds_mock.signing.process import prepare_signatures\n"
        f"asyncio.run(prepare_signatures(Signer(Path({str(tmp_path)!r}))))\n"
        "sys.exit(any(name.startswith('cryptography') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert read_certificates(tmp_path)


def test_repr_omits_keys() -> None:
    result = sign_documents(SigningRequest(None, []))
    for pair in result.pairs.values():
        assert "PRIVATE" not in repr(pair)
    assert "PRIVATE" not in repr(result)
