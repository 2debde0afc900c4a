"""The instance identity document with its three signatures, made when somebody asks for them.

Facts (dump of a 2022 instance, verified with AWS's certificates): `signature` is RSA over SHA-256 of the document;
`pkcs7` a signed message with DSA and SHA-1, `rsa2048` one with RSA and SHA-256, each in base64 of 76 characters a line
without a final newline; they were signed three seconds after the document's pendingTime.

Keys cost time and memory, so nothing is made at the start: `prepare` does it in the background, or the first reader.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imds_mock import cms, identity_document
from imds_mock.keys import PKCS7, RSA2048, SIGNATURE, SigningKey, load_or_make

if TYPE_CHECKING:
    from pathlib import Path

    from imds_mock.instance import Instance

_SIGNED_AFTER_SECONDS: Final = 3.0


class Signer:
    """Holds the keys.

    Args:
        key_directory: The folder that they are in, or are put into; None takes this user's temporary one.
    """

    def __init__(self, key_directory: Path | None = None) -> None:
        self._key_directory = key_directory
        self._keys: dict[str, SigningKey] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Read or make the keys, once; to be called in a thread, some 0.1 to 0.5 seconds.

        Raises:
            KeyDirectoryError: The configured folder cannot be used.
        """
        self.key(SIGNATURE)

    def key(self, name: str) -> SigningKey:
        """A key by the name of the leaf that it signs.

        Raises:
            KeyDirectoryError: The configured folder cannot be used.
        """
        if not self._keys:
            with self._lock:
                if not self._keys:
                    self._keys = load_or_make(self._key_directory)
        return self._keys[name]

    def certificates(self) -> dict[str, bytes]:
        """The certificates in PEM that verifiers need, by the name of the leaf."""
        return {name: self.key(name).certificate for name in (SIGNATURE, PKCS7, RSA2048)}

    def sign(self, instance: Instance) -> SignedDocument:
        """The identity document of an instance; costs nothing until a signature is read."""
        return SignedDocument(self, instance, identity_document.write(instance))


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """An identity document and what goes with it. The arguments of its methods are the time, which they do not need.

    Attributes:
        signer: Holds the keys.
        instance: The instance.
        document: The document's bytes.
    """

    signer: Signer
    instance: Instance
    document: bytes
    _made: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def signature(self, _now: float) -> bytes:
        """`dynamic/instance-identity/signature`."""
        return self._once(SIGNATURE)

    def pkcs7(self, _now: float) -> bytes:
        """`dynamic/instance-identity/pkcs7`."""
        return self._once(PKCS7)

    def rsa2048(self, _now: float) -> bytes:
        """`dynamic/instance-identity/rsa2048`."""
        return self._once(RSA2048)

    def managed_ssh_signer(self, _now: float) -> bytes:
        """`managed-ssh-keys/signer-cert`: a certificate named as EC2 Instance Connect expects."""
        region, domain = self.instance.region, self.instance.partition.domain
        common_name = f"managed-ssh-signer.{region}.{domain}"
        if common_name not in self._made:
            self._made[common_name] = self.signer.key(RSA2048).self_signed(common_name).rstrip()
        return self._made[common_name]

    def _once(self, name: str) -> bytes:
        if name not in self._made:
            signatory = self.signer.key(name).signatory
            if name == SIGNATURE:
                signed = signatory.sign(self.document)
            else:
                signed = cms.sign(self.document, signatory, self.instance.pending_time + _SIGNED_AFTER_SECONDS)
            self._made[name] = base64.encodebytes(signed).rstrip(b"\n")
        return self._made[name]
