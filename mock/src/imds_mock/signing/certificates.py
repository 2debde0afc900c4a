"""Self-signed certificates (X.509 version 1, as on EC2) for the keys that sign the identity document.

They name imds-mock as their subject and issuer, so they cannot be mistaken for AWS's certificates.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imds_mock.signing import der

if TYPE_CHECKING:
    from collections.abc import Callable

_ORGANIZATION: Final = der.object_identifier("2.5.4.10")
_COMMON_NAME: Final = der.object_identifier("2.5.4.3")
# EC2's certificate for rsa2048 is valid until 2195. The dates are fixed, so that a wrong clock has no effect.
_NOT_BEFORE: Final = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
_NOT_AFTER: Final = datetime(2195, 1, 1, tzinfo=UTC).timestamp()
_SERIAL_BYTES: Final = 8
_EXPLICIT_VERSION: Final = 0xA0


def distinguished_name(common_name: str) -> bytes:
    """The encoded Name with imds-mock as its organization."""
    parts = ((_ORGANIZATION, "imds-mock"), (_COMMON_NAME, common_name))
    return der.sequence(*(der.set_of(der.sequence(kind, der.utf8_string(text))) for kind, text in parts))


def serial_number(public_key: bytes) -> int:
    """A serial number derived from an encoded SubjectPublicKeyInfo."""
    return int.from_bytes(hashlib.sha256(public_key).digest()[:_SERIAL_BYTES], "big") >> 1


def self_signed(common_name: str, public_key: bytes, algorithm: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """A self-signed certificate.

    Args:
        common_name: The subject's and issuer's common name.
        public_key: Encoded SubjectPublicKeyInfo.
        algorithm: Encoded AlgorithmIdentifier of the signature.
        sign: Hashes bytes and signs them with the private key.

    Returns:
        The certificate in PEM, with a final newline.
    """
    subject = distinguished_name(common_name)
    to_be_signed = der.sequence(
        der.integer(serial_number(public_key)),
        algorithm,
        subject,
        der.sequence(der.time_value(_NOT_BEFORE), der.time_value(_NOT_AFTER)),
        subject,
        public_key,
    )
    certificate = der.sequence(to_be_signed, algorithm, der.bit_string(sign(to_be_signed)))
    lines = "\n".join(textwrap.wrap(base64.b64encode(certificate).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode()


def issuer_and_serial_number(pem: bytes, public_key: bytes) -> tuple[bytes, int]:
    """The issuer and serial number that identify a certificate in a signed message.

    Args:
        pem: Certificates in PEM; the first one is read.
        public_key: Encoded SubjectPublicKeyInfo that the certificate must contain.

    Returns:
        The encoded issuer and the serial number.

    Raises:
        ValueError: There is no certificate, or it belongs to another key.
    """
    body = pem.partition(b"-----BEGIN CERTIFICATE-----")[2].partition(b"-----END CERTIFICATE-----")[0]
    certificate = base64.b64decode(body)
    if public_key not in certificate:
        raise ValueError("expected a certificate in PEM for the key beside it")
    fields = der.members(der.members(certificate)[0])
    if fields[0][0] == _EXPLICIT_VERSION:
        del fields[0]
    serial, _, issuer = fields[:3]
    return issuer, int.from_bytes(der.content(serial), "big")
