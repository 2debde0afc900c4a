"""`imds-mock certs export`."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from imds_mock import control_socket
from imds_mock.cli import main
from imds_mock.commands import certs

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_certs_export_leaves_alone_what_symbolic_links_lead_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imds_mock.signing.signer import Signer

    keys, out, precious = tmp_path / "keys", tmp_path / "out", tmp_path / "precious"
    monkeypatch.setenv("IMDS_MOCK_SIGNING_KEY_DIRECTORY", str(keys))
    Signer(keys).prepare()
    precious.write_text("precious")
    out.mkdir()
    (out / "pkcs7.pem").symlink_to(precious)
    (out / "signature.pem").symlink_to(tmp_path / "new")
    assert main(["certs", "export", str(out)]) == 0
    assert precious.read_text() == "precious"
    assert not (tmp_path / "new").exists()
    assert (out / "pkcs7.pem").read_bytes() == (keys / "pkcs7.pem").read_bytes()
    assert {path.name for path in out.iterdir()} == {"pkcs7.pem", "rsa2048.pem", "signature.pem"}
    assert (out / "pkcs7.pem").stat().st_mode & 0o777 == 0o644
    capsys.readouterr()


def test_certs_export_waits_for_the_folder_of_a_mock_that_was_just_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imds_mock.signing import keys
    from imds_mock.signing.signer import Signer

    read = keys.read_certificates

    def generated_after_the_first_look(directory: Path | None) -> dict[str, bytes]:
        try:
            return read(directory)
        finally:
            Signer(directory).prepare()

    monkeypatch.setattr(keys, "read_certificates", generated_after_the_first_look)
    monkeypatch.setenv("IMDS_MOCK_SIGNING_KEY_DIRECTORY", str(tmp_path / "keys"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(certs, "KEYS_SECONDS", 60.0)
    with control_socket.open_default(control_socket.folders(os.environ, os.geteuid()), "1338"):
        assert main(["certs", "export"]) == 0
    assert capsys.readouterr().out.count("BEGIN CERTIFICATE") == 3


def test_certs_export(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from imds_mock.signing.signer import Signer

    monkeypatch.setenv("IMDS_MOCK_SIGNING_KEY_DIRECTORY", str(tmp_path / "keys"))
    monkeypatch.setattr(certs, "KEYS_SECONDS", 0.1)
    assert main(["certs", "export"]) == 78
    assert "start the mock first" in capsys.readouterr().err
    # A mock that was just started has its folder before its keys.
    (tmp_path / "keys").mkdir()
    assert main(["certs", "export"]) == 78
    assert "start the mock first" in capsys.readouterr().err
    monkeypatch.setattr(certs, "KEYS_SECONDS", 60.0)
    generating = threading.Thread(target=Signer(tmp_path / "keys").certificates)
    generating.start()
    assert main(["certs", "export"]) == 0
    generating.join()
    certificates = Signer(tmp_path / "keys").certificates()
    assert capsys.readouterr().out.encode() == b"".join(certificates.values())
    assert main(["certs", "export"]) == 0
    assert capsys.readouterr().out.encode() == b"".join(certificates.values())
    assert main(["certs", "export", str(tmp_path / "out/deep")]) == 0
    assert {path.stem: path.read_bytes() for path in (tmp_path / "out/deep").iterdir()} == certificates
    (tmp_path / "file").touch()
    assert main(["certs", "export", str(tmp_path / "file")]) == 78
    assert capsys.readouterr().err.count("\n") == 1
