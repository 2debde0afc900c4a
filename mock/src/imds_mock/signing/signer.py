"""The instance identity document with its three signatures, which are computed on first use.

Facts (dump of a 2022 instance, verified with AWS's certificates): `signature` is RSA over SHA-256 of the document;
`pkcs7` is a signed message with DSA and SHA-1, `rsa2048` one with RSA and SHA-256. Each is base64 in lines of 76
characters without a final newline, signed three seconds after the document's pendingTime.

Keys cost time and memory, so a start generates none. Soon after, `process` generates keys and signatures in a separate
process. A request for a signature that is not ready yet computes it here.
"""

from __future__ import annotations

import base64
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

from msgspec import field

from imds_mock.records import Record
from imds_mock.signing import cms, identity_document
from imds_mock.signing.keys import NAMES, PKCS7, RSA2048, SIGNATURE, SigningKey, from_pem, load_or_generate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imds_mock.metadata.instance import Instance

_SIGNED_AFTER_SECONDS: Final = 3.0
_MAX_LATEST: Final = 4


class KeyPair(NamedTuple):
    """A private key and its certificate in PEM. `repr` omits both."""

    private_key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "KeyPair(...)"


class Signer:
    """The keys of a mock.

    Args:
        key_directory: The folder to read them from or to store them in; None takes the default one.

    Attributes:
        latest: The last documents, for which a separate process computes signatures.
    """

    def __init__(self, key_directory: Path | None = None) -> None:
        self.key_directory = key_directory
        self.latest: deque[SignedDocument] = deque(maxlen=_MAX_LATEST)
        self._pairs: dict[str, KeyPair] = {}
        self._keys: dict[str, SigningKey] = {}
        # The signature of `pkcs7` is random, and a document that was built again is the same one for clients.
        self._documents: WeakValueDictionary[tuple[bytes, float, str], SignedDocument] = WeakValueDictionary()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Read or generate the keys if there are none yet; takes 0.1 to 0.5 s.

        Raises:
            KeyDirectoryError: The configured folder cannot be used.
        """
        self.key(SIGNATURE)

    def adopt_keys(self, pairs: Mapping[str, KeyPair]) -> bool:
        """Use the keys of another process by name, unless there are keys already; returns whether they are used."""
        with self._lock:
            if self._keys:
                return False
            self._pairs = dict(pairs)
            return True

    def key(self, name: str) -> SigningKey:
        """The key of a leaf, by the leaf's name.

        Raises:
            KeyDirectoryError: The configured folder cannot be used.
        """
        if not self._keys:
            with self._lock:
                if not self._keys:
                    keys = {known: from_pem(known, *pair) for known, pair in self._pairs.items()}
                    self._keys = keys or load_or_generate(self.key_directory)
        return self._keys[name]

    def pairs(self) -> dict[str, KeyPair]:
        """The keys and certificates by name, for another process of this mock."""
        return {name: KeyPair(self.key(name).private_pem, self.key(name).certificate) for name in NAMES}

    def certificates(self) -> dict[str, bytes]:
        """The certificates in PEM by name, for verifiers."""
        return {name: self.key(name).certificate for name in NAMES}

    def sign(self, instance: Instance) -> SignedDocument:
        """The identity document of an instance; signatures are computed on first use, once for equal documents."""
        made = SignedDocument(
            self,
            identity_document.write(instance),
            instance.pending_time,
            f"managed-ssh-signer.{instance.region}.{instance.partition.domain}",
        )
        document = self._documents.setdefault((made.document, made.pending_time, made.ssh_signer_name), made)
        if document not in self.latest:
            self.latest.append(document)
        return document


class SignedDocument(Record, frozen=True, eq=False, weakref=True):
    """An identity document and its signatures, as leaves: their argument is the time, which has no effect.

    Attributes:
        signer: The keys.
        document: The document's bytes.
        pending_time: When the instance was launched, in seconds since the epoch.
        ssh_signer_name: Common name of the certificate that EC2 Instance Connect reads.
        bodies: The leaves computed so far, by name.
    """

    signer: Signer
    document: bytes
    pending_time: float
    ssh_signer_name: str
    bodies: dict[str, bytes] = field(default_factory=dict)

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
        """`managed-ssh-keys/signer-cert`: a certificate with the name that EC2 Instance Connect expects."""
        if self.ssh_signer_name not in self.bodies:
            certificate = self.signer.key(RSA2048).self_signed(self.ssh_signer_name)
            self.bodies[self.ssh_signer_name] = certificate.rstrip()
        return self.bodies[self.ssh_signer_name]

    def sign_all(self) -> dict[str, bytes]:
        """Compute all leaves; returns them by name."""
        for compute in (self.signature, self.pkcs7, self.rsa2048, self.managed_ssh_signer):
            compute()
        return self.bodies

    def _once(self, name: str) -> bytes:
        if name not in self.bodies:
            identity = self.signer.key(name).identity
            if name == SIGNATURE:
                signed = identity.sign(self.document)
            else:
                signed = cms.sign(self.document, identity, self.pending_time + _SIGNED_AFTER_SECONDS)
            self.bodies[name] = base64.encodebytes(signed).rstrip(b"\n")
        return self.bodies[name]
