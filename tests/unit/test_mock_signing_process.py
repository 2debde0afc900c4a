"""Keys and signatures from another process: the same as made here, and none of the library's memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imds_mock.config.facts import InstanceSettings
from imds_mock.metadata.instance import derive
from imds_mock.signing.keys import NAMES, KeyDirectoryError, read_certificates
from imds_mock.signing.process import Order, Unsigned, fulfil, prepare
from imds_mock.signing.signer import SignedDocument, Signer

STARTED = 1_700_000_000.0


def document(signer: Signer) -> SignedDocument:
    return signer.sign(derive(InstanceSettings(), STARTED))


def made_anew(signer: Signer, like: SignedDocument) -> SignedDocument:
    return SignedDocument(signer, like.document, like.pending_time, like.ssh_signer_name)


def test_what_the_other_process_makes_is_under_the_keys_in_the_folder(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "keys")
    signed = document(signer)
    asyncio.run(prepare(signer))
    assert set(signed.made) == {*NAMES, signed.ssh_signer_name}
    assert signer.certificates() == read_certificates(tmp_path / "keys")
    again = made_anew(Signer(tmp_path / "keys"), signed)
    assert signed.made["signature"] == again.signature()  # RSA signs the same way each time, DSA does not
    assert signed.made["rsa2048"] == again.rsa2048()


def test_without_a_folder_the_keys_are_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file in the place of the folder keeps everybody out, root included.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / f"imds-mock-{Path('/proc/self').stat().st_uid}").touch()
    signer = Signer()
    signed = document(signer)
    asyncio.run(prepare(signer))
    assert signed.made["signature"] == made_anew(signer, signed).signature()
    assert not (tmp_path / "signature.key").exists()


def test_keys_that_are_in_use_already_stay(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "one")
    signed = document(signer)
    signature = signed.signature()
    signer.key_directory = tmp_path / "other"
    asyncio.run(prepare(signer))
    assert signed.made == {"signature": signature}
    assert signer.certificates() == read_certificates(tmp_path / "one")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyDirectoryError, match="file/keys"):
        asyncio.run(prepare(Signer(tmp_path / "file/keys")))


def test_where_no_process_can_be_started_a_thread_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    signer = Signer(tmp_path / "keys")
    asyncio.run(prepare(signer))
    assert read_certificates(tmp_path / "keys") == signer.certificates()


def test_an_order_is_fulfilled_for_every_document(tmp_path: Path) -> None:
    made = fulfil(Order(str(tmp_path), [Unsigned(b"one", STARTED, "a"), Unsigned(b"two", STARTED, "b")]))
    assert [set(each) for each in made.signed] == [{*NAMES, "a"}, {*NAMES, "b"}]
    assert set(made.pairs) == set(NAMES)


def test_the_library_is_not_loaded_here(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from imds_mock.signing.signer import Signer; from imds_mock.signing.process import prepare\n"
        f"asyncio.run(prepare(Signer(Path({str(tmp_path)!r}))))\n"
        "sys.exit(any(name.startswith('cryptography') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert read_certificates(tmp_path)


def test_keys_do_not_show() -> None:
    made = fulfil(Order(None, []))
    for pair in made.pairs.values():
        assert "PRIVATE" not in repr(pair)
    assert "PRIVATE" not in repr(made)
