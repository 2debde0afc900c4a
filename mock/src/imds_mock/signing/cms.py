"""Signed messages (CMS, RFC 5652) in the very shape of EC2's `pkcs7` and `rsa2048`.

Facts (dump of a 2022 instance): BER with indefinite lengths, the content embedded as a constructed octet string, no
certificates, one signer named by issuer and serial number, signed attributes content type, signing time, message
digest and CMS algorithm protection (RFC 6211). Verifiers must be given the certificate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imds_mock.signing import der

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNED_DATA: Final = der.object_identifier("1.2.840.113549.1.7.2")
_DATA: Final = der.object_identifier("1.2.840.113549.1.7.1")
_CONTENT_TYPE: Final = der.object_identifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = der.object_identifier("1.2.840.113549.1.9.4")
_SIGNING_TIME: Final = der.object_identifier("1.2.840.113549.1.9.5")
_ALGORITHM_PROTECTION: Final = der.object_identifier("1.2.840.113549.1.9.52")
_VERSION: Final = der.integer(1)
_CONSTRUCTED_OCTET_STRING: Final = 0x24
_SEQUENCE: Final = 0x30
_EXPLICIT_0: Final = 0xA0
_IMPLICIT_0: Final = 0xA0
_IMPLICIT_1: Final = 0xA1


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signs and how.

    Attributes:
        issuer: Encoded Name of the certificate's issuer.
        serial_number: The certificate's serial number.
        digest: Name of the hash, as `hashlib` knows it.
        digest_algorithm: Encoded AlgorithmIdentifier of the hash.
        signature_algorithm: Encoded AlgorithmIdentifier of the signature.
        sign: Signs bytes, hashing included.
    """

    issuer: bytes
    serial_number: int
    digest: str
    digest_algorithm: bytes
    signature_algorithm: bytes
    sign: Callable[[bytes], bytes]


def sign(content: bytes, signatory: Signatory, signing_time: float) -> bytes:
    """Sign a message and embed it.

    Args:
        content: The message.
        signatory: Who signs.
        signing_time: When, in seconds since the epoch.

    Returns:
        A ContentInfo in BER.
    """
    attributes = (
        _attribute(_CONTENT_TYPE, _DATA),
        _attribute(_SIGNING_TIME, der.moment(signing_time)),
        _attribute(_MESSAGE_DIGEST, der.octet_string(hashlib.new(signatory.digest, content).digest())),
        _attribute(_ALGORITHM_PROTECTION, _protection(signatory)),
    )
    signer = der.sequence(
        _VERSION,
        der.sequence(signatory.issuer, der.integer(signatory.serial_number)),
        signatory.digest_algorithm,
        der.set_of(*attributes, tag=_IMPLICIT_0),
        signatory.signature_algorithm,
        # RFC 5652 5.4: what is signed is the SET OF attributes, not the tagged form in which it is sent.
        der.octet_string(signatory.sign(der.set_of(*attributes))),
    )
    embedded = der.encode_indefinite(_CONSTRUCTED_OCTET_STRING, der.octet_string(content))
    signed_data = der.encode_indefinite(
        _SEQUENCE,
        _VERSION,
        der.set_of(signatory.digest_algorithm),
        der.encode_indefinite(_SEQUENCE, _DATA, der.encode_indefinite(_EXPLICIT_0, embedded)),
        der.set_of(signer),
    )
    return der.encode_indefinite(_SEQUENCE, _SIGNED_DATA, der.encode_indefinite(_EXPLICIT_0, signed_data))


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.sequence(kind, der.set_of(value))


def _protection(signatory: Signatory) -> bytes:
    # The same AlgorithmIdentifier with the tag of a SEQUENCE replaced.
    tagged = bytes([_IMPLICIT_1]) + signatory.signature_algorithm[1:]
    return der.sequence(signatory.digest_algorithm, tagged)
