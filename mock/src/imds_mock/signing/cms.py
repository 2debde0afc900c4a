"""Signed messages (CMS, RFC 5652) in the encoding of EC2's `pkcs7` and `rsa2048`.

Facts (dump of a 2022 instance): BER with indefinite lengths, the content embedded as a constructed octet string, no
certificates, one signer named by issuer and serial number, signed attributes content type, signing time, message
digest and CMS algorithm protection (RFC 6211). Verifiers need the certificate.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from imds_mock.records import Record
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


class SignerIdentity(Record, frozen=True):
    """A key and its certificate, as a signed message refers to them.

    Attributes:
        issuer: Encoded Name of the certificate's issuer.
        serial_number: The certificate's serial number.
        digest: Name of the hash in `hashlib`.
        digest_algorithm: Encoded AlgorithmIdentifier of the hash.
        signature_algorithm: Encoded AlgorithmIdentifier of the signature.
        sign: Hashes and signs bytes.
    """

    issuer: bytes
    serial_number: int
    digest: str
    digest_algorithm: bytes
    signature_algorithm: bytes
    sign: Callable[[bytes], bytes]


def sign(content: bytes, identity: SignerIdentity, signing_time: float) -> bytes:
    """A signed message with the content embedded.

    Args:
        content: The bytes to sign.
        identity: The signer.
        signing_time: Seconds since the epoch.

    Returns:
        A ContentInfo in BER.
    """
    attributes = (
        _attribute(_CONTENT_TYPE, _DATA),
        _attribute(_SIGNING_TIME, der.time_value(signing_time)),
        _attribute(_MESSAGE_DIGEST, der.octet_string(hashlib.new(identity.digest, content).digest())),
        _attribute(_ALGORITHM_PROTECTION, _protection(identity)),
    )
    signer = der.sequence(
        _VERSION,
        der.sequence(identity.issuer, der.integer(identity.serial_number)),
        identity.digest_algorithm,
        der.set_of(*attributes, tag=_IMPLICIT_0),
        identity.signature_algorithm,
        # RFC 5652 5.4: the signature covers the SET OF attributes, not the tagged form sent above.
        der.octet_string(identity.sign(der.set_of(*attributes))),
    )
    embedded = der.encode_indefinite(_CONSTRUCTED_OCTET_STRING, der.octet_string(content))
    signed_data = der.encode_indefinite(
        _SEQUENCE,
        _VERSION,
        der.set_of(identity.digest_algorithm),
        der.encode_indefinite(_SEQUENCE, _DATA, der.encode_indefinite(_EXPLICIT_0, embedded)),
        der.set_of(signer),
    )
    return der.encode_indefinite(_SEQUENCE, _SIGNED_DATA, der.encode_indefinite(_EXPLICIT_0, signed_data))


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.sequence(kind, der.set_of(value))


def _protection(identity: SignerIdentity) -> bytes:
    # The AlgorithmIdentifier with an implicit tag instead of SEQUENCE.
    tagged = bytes([_IMPLICIT_1]) + identity.signature_algorithm[1:]
    return der.sequence(identity.digest_algorithm, tagged)
