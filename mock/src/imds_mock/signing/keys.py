"""The three private keys that sign the identity document: read from a folder, or generated and stored there.

For each of `signature` (RSA, 1024 bits if generated), `pkcs7` (DSA, 1024) and `rsa2048` (RSA, 2048), the folder
contains the key in `NAME.key` and its certificate in `NAME.pem`. If processes share a folder, the first keys are used.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imds_mock.bounded_files import read_bytes
from imds_mock.errors import EX_CONFIG, MockError
from imds_mock.records import Record
from imds_mock.signing import certificates, der
from imds_mock.signing.cms import SignerIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNATURE: Final = "signature"
PKCS7: Final = "pkcs7"
RSA2048: Final = "rsa2048"
NAMES: Final = (SIGNATURE, PKCS7, RSA2048)

_SHA1: Final = der.sequence(der.object_identifier("1.3.14.3.2.26"), der.NULL)
_SHA256: Final = der.sequence(der.object_identifier("2.16.840.1.101.3.4.2.1"), der.NULL)
_RSA: Final = der.sequence(der.object_identifier("1.2.840.113549.1.1.1"), der.NULL)
_RSA_SHA256: Final = der.sequence(der.object_identifier("1.2.840.113549.1.1.11"), der.NULL)
_DSA_SHA1: Final = der.sequence(der.object_identifier("1.2.840.10040.4.3"))
_RSA_EXPONENT: Final = 65537
_MOST_BYTES: Final = 1 << 20


class KeyDirectoryError(MockError):
    """The folder of keys cannot be used."""

    exit_code = EX_CONFIG


class KeysMissingError(KeyDirectoryError):
    """The folder has no keys, or not all of them yet: a mock generates them soon after its start."""


class SigningKey(Record, frozen=True):
    """A private key with its certificate.

    Attributes:
        certificate: The certificate in PEM.
        identity: The key as a signer.
        self_signed: Returns another certificate for the key, with a common name.
        private_pem: The private key in PEM, for another process of this mock.
    """

    certificate: bytes
    identity: SignerIdentity
    self_signed: Callable[[str], bytes]
    private_pem: bytes

    def __repr__(self) -> str:
        return "SigningKey(...)"


def default_directory() -> Path:
    """The folder for a mock without a configured one: per user, in the system's temporary directory."""
    import tempfile  # noqa: PLC0415 - as for cryptography: keeps a start fast

    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        # Writable even in a container with a read-only root file system.
        folder = "/dev/shm"  # noqa: S108 - `_require_private` checks the folder
    return Path(folder) / f"imds-mock-{os.getuid()}"


def load_or_generate(directory: Path | None) -> dict[str, SigningKey]:
    """Read the keys, and generate the missing ones.

    Args:
        directory: The folder; None takes the default one, or generates keys in memory if that cannot be used.

    Returns:
        A key for each of `NAMES`.

    Raises:
        KeyDirectoryError: The configured folder cannot be used, or a file in it is invalid.
    """
    if directory is not None:
        return {name: _load(directory, name) for name in NAMES}
    directory = default_directory()
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        _require_private(directory)
        return {name: _load(directory, name) for name in NAMES}
    except (OSError, KeyDirectoryError):
        return {name: _signing_key(name, _generate(name)) for name in NAMES}


def from_pem(name: str, private_pem: bytes, certificate: bytes) -> SigningKey:
    """A key and its certificate in PEM from another process of this mock."""
    return _signing_key(name, _parse(private_pem, name, "a key"), certificate, "a certificate")


def read_certificates(directory: Path | None) -> dict[str, bytes]:
    """The certificates of a mock's keys, for verifiers.

    Args:
        directory: The folder; None takes the default one.

    Returns:
        Certificates in PEM, by name.

    Raises:
        KeysMissingError: They do not exist.
        KeyDirectoryError: They may belong to another user.
    """
    folder = default_directory() if directory is None else directory
    try:
        if directory is None:
            _require_private(folder)
        return {name: read_bytes(folder / f"{name}.pem", _MOST_BYTES) for name in NAMES}
    except OSError as error:
        advice = "start the mock first, or set signing.key_directory to a folder that it can write"
        raise KeysMissingError(f"{error.filename}: {error.strerror}; {advice}") from error


def _require_private(directory: Path) -> None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise KeyDirectoryError(
            f"{directory}: another user owns the folder or may write to it, so its keys cannot be trusted; "
            "remove it, or set signing.key_directory"
        )


def _load(directory: Path, name: str) -> SigningKey:
    key_file, certificate_file = directory / f"{name}.key", directory / f"{name}.pem"
    try:
        if not key_file.exists():
            directory.mkdir(parents=True, exist_ok=True)
            _write_new(key_file, _pem_of(_generate(name)), 0o600)
        private = _parse(read_bytes(key_file, _MOST_BYTES), name, key_file)
        if not certificate_file.exists():
            with contextlib.suppress(OSError):  # the folder may be read-only
                _write_new(certificate_file, _signing_key(name, private).certificate, 0o644)
        if not certificate_file.exists():
            return _signing_key(name, private)
        return _signing_key(name, private, read_bytes(certificate_file, _MOST_BYTES), certificate_file)
    except OSError as error:
        # Errors of opening a file name it; errors of writing do not.
        raise KeyDirectoryError(
            f"{error.filename or directory}: {error.strerror}; set signing.key_directory to a folder that contains the "
            "keys or that the mock can write to"
        ) from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    import tempfile  # noqa: PLC0415 - as above

    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
        with contextlib.suppress(FileExistsError):
            Path(path).hardlink_to(temporary)
    finally:
        Path(temporary).unlink()


def _generate(name: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa  # noqa: PLC0415 - keeps a start fast

    if name == PKCS7:
        return dsa.generate_private_key(1024)  # noqa: S505 - the size on EC2
    return rsa.generate_private_key(_RSA_EXPONENT, 2048 if name == RSA2048 else 1024)


def _pem_of(private: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - keeps a start fast

    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def _parse(pem: bytes, name: str, source: object) -> Any:
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa  # noqa: PLC0415 - keeps a start fast
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see above

    kind, key_type = (dsa.DSAPrivateKey, "a DSA") if name == PKCS7 else (rsa.RSAPrivateKey, "an RSA")
    expected = f"{source}: expected {key_type} key in PEM without a password"
    try:
        private = load_pem_private_key(pem, None)
    except Exception as error:  # the library's errors for invalid input have no common base class
        raise KeyDirectoryError(expected) from error
    if not isinstance(private, kind):
        raise KeyDirectoryError(expected)
    return private


def _signing_key(name: str, private: Any, certificate: bytes | None = None, source: object = None) -> SigningKey:
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - keeps a start fast
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - see above

    public_key: bytes = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if name == PKCS7:
        digest, digest_algorithm, algorithm, certificate_algorithm = "sha1", _SHA1, _DSA_SHA1, _DSA_SHA1
    else:
        digest, digest_algorithm, algorithm, certificate_algorithm = "sha256", _SHA256, _RSA, _RSA_SHA256

    def sign(content: bytes) -> bytes:
        if name == PKCS7:
            signed: bytes = private.sign(content, hashes.SHA1())  # noqa: S303 - as on EC2
        else:
            signed = private.sign(content, padding.PKCS1v15(), hashes.SHA256())
        return signed

    def self_signed(common_name: str) -> bytes:
        return certificates.self_signed(common_name, public_key, certificate_algorithm, sign)

    pem = self_signed(f"imds-mock instance identity {name}") if certificate is None else certificate
    try:
        issuer, serial = certificates.issuer_and_serial_number(pem, public_key)
    except ValueError as error:
        raise KeyDirectoryError(f"{source}: {error}") from error
    identity = SignerIdentity(issuer, serial, digest, digest_algorithm, algorithm, sign)
    return SigningKey(pem, identity, self_signed, _pem_of(private))
