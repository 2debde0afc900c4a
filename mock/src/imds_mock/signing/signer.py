"""The instance identity document with its three signatures, made when somebody asks for them.

Facts (dump of a 2022 instance, verified with AWS's certificates): `signature` is RSA over SHA-256 of the document;
`pkcs7` a signed message with DSA and SHA-1, `rsa2048` one with RSA and SHA-256, each in base64 of 76 characters a line
without a final newline; they were signed three seconds after the document's pendingTime.

Keys cost time and memory, so nothing is made at the start: soon after it `signing_process` makes keys and signatures in
a process of its own. Whatever that did not make is made here when somebody asks for it.
"""

from __future__ import annotations

import base64
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from imds_mock.signing import cms, identity_document
from imds_mock.signing.keys import NAMES, PKCS7, RSA2048, SIGNATURE, SigningKey, from_pem, load_or_make

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imds_mock.metadata.instance import Instance

_SIGNED_AFTER_SECONDS: Final = 3.0
_REMEMBERED: Final = 4


class KeyPair(NamedTuple):
    """A private key and its certificate, both in PEM."""

    private_key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "KeyPair(...)"


class Signer:
    """Holds the keys.

    Args:
        key_directory: The folder that they are in, or are put into; None takes this user's temporary one.

    Attributes:
        latest: The documents that were last given out.
    """

    def __init__(self, key_directory: Path | None = None) -> None:
        self.key_directory = key_directory
        self.latest: deque[SignedDocument] = deque(maxlen=_REMEMBERED)
        self._pairs: dict[str, KeyPair] = {}
        self._keys: dict[str, SigningKey] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Read or make the keys, once; some 0.1 to 0.5 seconds.

        Raises:
            KeyDirectoryError: The configured folder cannot be used.
        """
        self.key(SIGNATURE)

    def take_over(self, pairs: Mapping[str, KeyPair]) -> bool:
        """Use the keys that another process read or made.

        Args:
            pairs: A key for each name.

        Returns:
            Whether they are used: not when there are others already.
        """
        with self._lock:
            if self._keys:
                return False
            self._pairs = dict(pairs)
            return True

    def key(self, name: str) -> SigningKey:
        """A key by the name of the leaf that it signs.

        Raises:
            KeyDirectoryError: The configured folder cannot be used.
        """
        if not self._keys:
            with self._lock:
                if not self._keys:
                    made = {known: from_pem(known, *pair) for known, pair in self._pairs.items()}
                    self._keys = made or load_or_make(self.key_directory)
        return self._keys[name]

    def pairs(self) -> dict[str, KeyPair]:
        """The keys with their certificates, for another process of this mock."""
        return {name: KeyPair(self.key(name).private_pem, self.key(name).certificate) for name in NAMES}

    def certificates(self) -> dict[str, bytes]:
        """The certificates in PEM that verifiers need, by the name of the leaf."""
        return {name: self.key(name).certificate for name in NAMES}

    def sign(self, instance: Instance) -> SignedDocument:
        """The identity document of an instance; costs nothing until a signature is read."""
        document = SignedDocument(
            self,
            identity_document.write(instance),
            instance.pending_time,
            f"managed-ssh-signer.{instance.region}.{instance.partition.domain}",
        )
        self.latest.append(document)
        return document


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """An identity document and what goes with it. The arguments of its methods are the time, which they do not need.

    Attributes:
        signer: Holds the keys.
        document: The document's bytes.
        pending_time: When the instance was launched, in seconds since the epoch.
        ssh_signer_name: Common name of the certificate that EC2 Instance Connect asks for.
        made: What was made for it so far, by the name of the leaf.
    """

    signer: Signer = field(repr=False, compare=False)
    document: bytes
    pending_time: float
    ssh_signer_name: str
    made: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def signature(self, _now: float = 0) -> bytes:
        """`dynamic/instance-identity/signature`."""
        return self._once(SIGNATURE)

    def pkcs7(self, _now: float = 0) -> bytes:
        """`dynamic/instance-identity/pkcs7`."""
        return self._once(PKCS7)

    def rsa2048(self, _now: float = 0) -> bytes:
        """`dynamic/instance-identity/rsa2048`."""
        return self._once(RSA2048)

    def managed_ssh_signer(self, _now: float = 0) -> bytes:
        """`managed-ssh-keys/signer-cert`: a certificate named as EC2 Instance Connect expects."""
        if self.ssh_signer_name not in self.made:
            certificate = self.signer.key(RSA2048).self_signed(self.ssh_signer_name)
            self.made[self.ssh_signer_name] = certificate.rstrip()
        return self.made[self.ssh_signer_name]

    def make_all(self) -> dict[str, bytes]:
        """Make everything that is not made yet, and give all of it."""
        for make in (self.signature, self.pkcs7, self.rsa2048, self.managed_ssh_signer):
            make()
        return self.made

    def _once(self, name: str) -> bytes:
        if name not in self.made:
            signatory = self.signer.key(name).signatory
            if name == SIGNATURE:
                signed = signatory.sign(self.document)
            else:
                signed = cms.sign(self.document, signatory, self.pending_time + _SIGNED_AFTER_SECONDS)
            self.made[name] = base64.encodebytes(signed).rstrip(b"\n")
        return self.made[name]
