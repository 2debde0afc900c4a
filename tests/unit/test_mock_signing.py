"""The signatures of the instance identity document, verified with openssl as AWS documents it."""

from __future__ import annotations

import base64
import errno
import gc
import os
import re
import stat
import subprocess
import threading
from typing import TYPE_CHECKING, NoReturn

import pytest

from imds_mock.signing import certificates, der
from imds_mock.signing.keys import NAMES, KeyDirectoryError, default_directory, read_certificates
from imds_mock.signing.signer import Signer
from support.metadata import Metadata

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = "dynamic/instance-identity"


def openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)


def leaf(metadata: Metadata, name: str) -> bytes:
    body = metadata.read(f"{IDENTITY}/{name}")
    assert body is not None
    return body


def pem_file(folder: Path, metadata: Metadata, name: str) -> Path:
    path = folder / f"{name}.p7"
    path.write_bytes(b"-----BEGIN PKCS7-----\n" + leaf(metadata, name) + b"\n-----END PKCS7-----\n")
    return path


@pytest.fixture(scope="module")
def folder(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    for name, pem in signer.certificates().items():
        (made / f"{name}.pem").write_bytes(pem)
    return made


def test_the_signature_verifies(signer: Signer, folder: Path) -> None:
    metadata = Metadata(signer)
    (folder / "document").write_bytes(leaf(metadata, "document"))
    (folder / "signature").write_bytes(base64.b64decode(leaf(metadata, "signature"), validate=False))
    (folder / "key").write_bytes(openssl("x509", "-in", folder / "signature.pem", "-pubkey", "-noout").stdout)
    check = ("dgst", "-sha256", "-verify", folder / "key", "-signature", folder / "signature")
    assert openssl(*check, folder / "document").stdout == b"Verified OK\n"
    (folder / "changed").write_bytes(leaf(metadata, "document") + b"\n")
    assert openssl(*check, folder / "changed").returncode == 1


@pytest.mark.parametrize("program", ["smime", "cms"])
@pytest.mark.parametrize("name", ["pkcs7", "rsa2048"])
def test_the_signed_messages_verify_and_print_the_document(
    signer: Signer, folder: Path, name: str, program: str
) -> None:
    metadata = Metadata(signer)
    path = pem_file(folder, metadata, name)
    own, other = folder / f"{name}.pem", folder / "signature.pem"
    verify = (program, "-verify", "-in", path, "-inform", "PEM", "-noverify", "-certfile")
    assert openssl(*verify, own).stdout == leaf(metadata, "document")
    assert openssl(*verify, other).returncode != 0


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("pkcs7", b"MIAGCSqGSIb3DQEHAqCAMIACAQExCzAJBgUrDgMCGgUAMIAGCSqGSIb3DQEHAaCAJIAEgg"),
        (
            "rsa2048",
            b"MIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglghkgBZQMEAgEFADCABgkqhkiG9w0BBwGggCSABIIB",
        ),
    ],
)
def test_the_encoding_matches_the_real_service(signer: Signer, folder: Path, name: str, start: bytes) -> None:
    metadata = Metadata(signer, launch_time="2024-02-29T23:59:58Z")
    body = leaf(metadata, name)
    assert body.replace(b"\n", b"").startswith(start)
    assert all(len(line) == 76 for line in body.split(b"\n")[:-1])
    assert not body.endswith(b"\n")
    raw = base64.b64decode(body, validate=False)
    assert raw.endswith(b"\x00" * 6)  # three indefinite lengths end
    printed = openssl("cms", "-cmsout", "-print", "-in", pem_file(folder, metadata, name), "-inform", "PEM").stdout
    text = printed.decode()
    assert re.search(r"certificates:\s+<ABSENT>", text)
    assert "UTCTIME:Mar  1 00:00:01 2024 GMT" in text  # three seconds after pendingTime
    order = [text.index(oid) for oid in ("1.2.840.113549.1.9.3)", "1.9.5)", "1.9.4)", "1.2.840.113549.1.9.52)")]
    assert order[0] < min(order[1:])
    assert len(re.findall(r"issuer:\s+O ?= ?imds-mock", text)) == 1
    algorithm = "dsaWithSHA1" if name == "pkcs7" else "rsaEncryption"
    assert algorithm in text


def test_the_signature_is_128_bytes_in_lines_of_76(signer: Signer) -> None:
    body = leaf(Metadata(signer), "signature")
    assert len(base64.b64decode(body, validate=False)) == 128
    assert [len(line) for line in body.split(b"\n")] == [76, 76, 20]


@pytest.mark.parametrize(
    ("name", "key"), [("signature", "(1024 bit)"), ("pkcs7", "(1024 bit)"), ("rsa2048", "(2048 bit)")]
)
def test_certificates_name_imds_mock(folder: Path, name: str, key: str) -> None:
    text = openssl("x509", "-in", folder / f"{name}.pem", "-noout", "-text").stdout.decode()
    assert "Version: 1 (0x0)" in text
    # Newer versions of openssl omit the spaces around the sign.
    assert f"Subject: O=imds-mock, CN=imds-mock instance identity {name}" in text.replace(" = ", "=")
    assert key in text
    assert "Not After : Jan  1 00:00:00 2195 GMT" in text
    assert "amazon" not in text.lower()
    *lines, last = (folder / f"{name}.pem").read_text().splitlines()[1:-1]
    assert {len(line) for line in lines} == {64}, "RFC 7468"
    assert 0 < len(last) <= 64
    if name != "pkcs7":  # openssl rejects SHA-1 in certificates
        assert openssl("verify", "-CAfile", folder / f"{name}.pem", folder / f"{name}.pem").returncode == 0


def test_a_signature_is_computed_once(signer: Signer) -> None:
    metadata = Metadata(signer)
    assert leaf(metadata, "pkcs7") == leaf(metadata, "pkcs7")


def test_equal_documents_share_their_signatures_as_long_as_one_is_in_use(signer: Signer) -> None:
    first, other = Metadata(signer), Metadata(signer, region="cn-north-1")
    assert leaf(first, "pkcs7") == leaf(Metadata(signer), "pkcs7") != leaf(other, "pkcs7")
    signer.latest.clear()
    del first, other
    gc.collect()
    assert len(signer._documents) == 0


def test_the_signer_of_managed_ssh_keys(signer: Signer, tmp_path: Path) -> None:
    body = Metadata(signer, region="cn-north-1").text("managed-ssh-keys/signer-cert")
    assert body is not None
    (tmp_path / "cert").write_text(body)
    subject = openssl("x509", "-in", tmp_path / "cert", "-noout", "-subject").stdout.decode()
    assert "CN=managed-ssh-signer.cn-north-1.amazonaws.com.cn" in subject.replace(" = ", "=")
    assert not body.endswith("\n")


def test_a_restart_reads_the_stored_keys(tmp_path: Path) -> None:
    first, second = Signer(tmp_path / "new/keys"), Signer(tmp_path / "new/keys")
    first.prepare()
    assert sorted(path.name for path in (tmp_path / "new/keys").iterdir()) == sorted(
        f"{name}.{end}" for name in NAMES for end in ("key", "pem")
    )
    assert stat.S_IMODE((tmp_path / "new/keys/pkcs7.key").stat().st_mode) == 0o600
    assert first.certificates() == second.certificates() == read_certificates(tmp_path / "new/keys")
    assert Metadata(first).read(f"{IDENTITY}/signature") == Metadata(second).read(f"{IDENTITY}/signature")


def test_simultaneous_starts_use_the_same_keys(tmp_path: Path) -> None:
    signers = [Signer(tmp_path) for _ in range(6)]
    threads = [threading.Thread(target=signer.prepare) for signer in signers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(sorted(signer.certificates().items())) for signer in signers}) == 1
    assert len(list(tmp_path.iterdir())) == 2 * len(NAMES)


def test_user_provided_keys_and_certificates(tmp_path: Path) -> None:
    key, certificate = tmp_path / "rsa2048.key", tmp_path / "rsa2048.pem"
    made = openssl(
        *("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=mine"),
        *("-days", "10"),
    )
    assert made.returncode == 0, made.stderr
    signer = Signer(tmp_path)
    assert signer.certificates()["rsa2048"] == certificate.read_bytes()
    metadata = Metadata(signer)
    path = pem_file(tmp_path, metadata, "rsa2048")
    verified = openssl("cms", "-verify", "-in", path, "-inform", "PEM", "-noverify", "-certfile", certificate)
    assert verified.stdout == leaf(metadata, "document")


def test_keys_without_certificates_are_used(tmp_path: Path) -> None:
    Signer(tmp_path).prepare()
    for name in NAMES:
        (tmp_path / f"{name}.pem").unlink()
    one, other = Signer(tmp_path).certificates(), Signer(tmp_path).certificates()
    assert one == other


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("pkcs7.key", b"nonsense", "expected a DSA key in PEM without a password"),
        ("signature.key", b"nonsense", "expected an RSA key in PEM without a password"),
        ("rsa2048.pem", b"nonsense", "expected a certificate in PEM for the key beside it"),
        ("rsa2048.pem", None, "expected a certificate in PEM for the key beside it"),
        ("pkcs7.key", None, "expected a DSA key in PEM without a password"),
    ],
)
def test_invalid_files(tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    Signer(tmp_path).prepare()
    other = tmp_path / f"signature.{name.rpartition('.')[2]}"
    (tmp_path / name).write_bytes(other.read_bytes() if content is None else content)
    with pytest.raises(KeyDirectoryError) as raised:
        Signer(tmp_path).prepare()
    assert str(tmp_path / name) in str(raised.value)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_instead_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyDirectoryError, match=r"Not a directory; set signing\.key_directory to a folder"):
        Signer(tmp_path / "file/keys").prepare()
    with pytest.raises(KeyDirectoryError, match=r"start the mock first, or set signing\.key_directory"):
        read_certificates(tmp_path / "none")


def test_a_full_disk_is_named_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, _mode: str) -> NoReturn:
        os.close(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fdopen", full)
    with pytest.raises(KeyDirectoryError, match=r"^.*/keys: No space left on device; set signing\.key_directory to"):
        Signer(tmp_path / "keys").prepare()
    assert list((tmp_path / "keys").iterdir()) == []


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return default_directory()


def test_certificates_that_another_user_may_have_written_are_rejected(own_tmp: Path) -> None:
    Signer().prepare()
    for mode in (0o777, 0o770, 0o702):
        own_tmp.chmod(mode)
        with pytest.raises(KeyDirectoryError, match=r"another user owns the folder or may write to it.*key_directory$"):
            read_certificates(None)
    own_tmp.chmod(0o700)
    others = own_tmp.rename(own_tmp.with_name("others"))
    own_tmp.symlink_to(others)
    with pytest.raises(KeyDirectoryError, match="another user owns the folder"):
        read_certificates(None)


def test_the_default_folder_is_private(own_tmp: Path) -> None:
    signer = Signer()
    assert read_certificates_or_none() is None
    signer.prepare()
    assert stat.S_IMODE(own_tmp.stat().st_mode) == 0o700
    assert read_certificates(None) == signer.certificates() == Signer().certificates()


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_default_folder_that_is_not_private_is_ignored(own_tmp: Path, mode: int) -> None:
    own_tmp.mkdir()
    own_tmp.chmod(mode)
    assert Signer().certificates() != Signer().certificates()
    assert not list(own_tmp.iterdir())


def read_certificates_or_none() -> dict[str, bytes] | None:
    try:
        return read_certificates(None)
    except KeyDirectoryError:
        return None


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (der.integer(0), "020100"),
        (der.integer(127), "02017f"),
        (der.integer(128), "02020080"),
        (der.integer(65537), "0203010001"),
        (der.object_identifier("1.2.840.113549.1.9.52"), "06092a864886f70d010934"),
        (der.octet_string(b"x" * 127)[:2], "047f"),
        (der.octet_string(b"x" * 128)[:3], "048180"),
        (der.octet_string(b"x" * 256)[:4], "04820100"),
        (der.time_value(2524607999), "170d3439313233313233353935395a"),
        (der.time_value(2524608000), "180f32303530303130313030303030305a"),
        (der.set_of(der.integer(2), der.integer(1)), "3106020101020102"),
        (der.encode_indefinite(0x30, der.NULL), "308005000000"),
    ],
)
def test_encodings(value: bytes, encoded: str) -> None:
    assert value.hex() == encoded


@pytest.mark.parametrize("cut", [b"", b"\x30", b"\x30\x05\x00", b"\x30\x80\x00\x00", b"\x30\x82\x01"])
def test_a_truncated_encoding(cut: bytes) -> None:
    with pytest.raises(ValueError, match="truncated"):
        der.content(cut)


def test_a_truncated_certificate(signer: Signer) -> None:
    pem = signer.certificates()["signature"]
    start = b"".join(pem.split(b"\n")[1:-2])
    key = base64.b64decode(start)[-300:-200]
    broken = b"-----BEGIN CERTIFICATE-----\n" + start[:-8] + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(ValueError, match="truncated"):
        certificates.issuer_and_serial_number(broken, key)


def test_shared_memory_replaces_a_missing_temporary_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    assert default_directory().parts[:3] == ("/", "dev", "shm")
