"""Session tokens that contain their own expiry, so the mock stores none.

A token is 40 bytes in URL-safe base64 with padding, 56 characters, as on current instances: the bytes 01 00 04 00 (so
the text starts with `AQAEA`), a nonce, the masked end and length of its life, and a message authentication code (keyed
BLAKE2b, RFC 7693) of these and the instance id. The life is masked because real tokens show no structure after their
first bytes.
"""

from __future__ import annotations

import binascii
import hmac
import math
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_TTL_SECONDS: Final = 1
MAX_TTL_SECONDS: Final = 21_600

_PREFIX: Final = b"\x01\x00\x04\x00"
_NONCE_BYTES: Final = 12
_LIFE_BYTES: Final = 8
_CODE_BYTES: Final = 16
_NONCE: Final = slice(len(_PREFIX), len(_PREFIX) + _NONCE_BYTES)
_LIFE: Final = slice(_NONCE.stop, _NONCE.stop + _LIFE_BYTES)
_CHARACTERS: Final = 56
_MILLISECONDS: Final = 1000
# The life as a number: its end in milliseconds since the epoch, and its length in seconds in the lowest bits.
_LENGTH_BITS: Final = 15
_LENGTH: Final = (1 << _LENGTH_BITS) - 1
_NONCES_AT_ONCE: Final = 32  # each call for random bytes is a system call
_MAX_VERIFIED: Final = 1024
_TO_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE: Final = str.maketrans("-_", "+/")


class Tokens:
    """Issues and verifies session tokens.

    Args:
        key: Secret of 16 to 64 bytes, which all holders verify tokens with; None generates one.
        random_bytes: Source of nonces.
    """

    __slots__ = ("_key", "_nonces", "_random_bytes", "_verified")

    def __init__(self, key: bytes | None = None, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self._random_bytes = random_bytes
        self._nonces = b""
        # The lives of recently verified tokens; a cache that can be cleared at any time.
        self._verified: dict[tuple[str, bytes], int] = {}

    def issue(self, ttl_seconds: int, now: float, instance: bytes) -> bytes:
        """Issue a token.

        Args:
            ttl_seconds: Its lifetime, 1 to 21600.
            now: Wall-clock time in seconds since the epoch.
            instance: The id of the only instance that accepts it.

        Returns:
            56 ASCII characters.
        """
        if not self._nonces:
            self._nonces = self._random_bytes(_NONCE_BYTES * _NONCES_AT_ONCE)
        nonce, self._nonces = self._nonces[:_NONCE_BYTES], self._nonces[_NONCE_BYTES:]
        life = int((now + ttl_seconds) * _MILLISECONDS) << _LENGTH_BITS | ttl_seconds
        return self._encode(nonce, (life ^ self._mask(nonce)).to_bytes(_LIFE_BYTES, "big", signed=True), instance)

    def remaining_seconds(self, token: str, now: float, instance: bytes) -> int | None:
        """The remaining life of a token.

        Args:
            token: The client's token.
            now: Wall-clock time in seconds since the epoch.
            instance: The id of the instance that receives it.

        Returns:
            Seconds, rounded up; None if the token is malformed, forged, for another instance or expired.
        """
        life = self._verified.get((token, instance))
        if life is None:
            life = self._verify(token, instance)
            if life is None:
                return None
            if len(self._verified) >= _MAX_VERIFIED:
                self._verified.clear()
            self._verified[token, instance] = life
        left = math.ceil((life >> _LENGTH_BITS) / _MILLISECONDS - now)
        # After the clock is set back, a token must not show more than the lifetime that it was issued with.
        return min(left, life & _LENGTH) if left > 0 else None

    def issued_at(self, token: str, now: float, instance: bytes) -> float | None:
        """When a token was issued.

        Args:
            token: The client's token.
            now: Wall-clock time in seconds since the epoch.
            instance: The id of the instance that receives it.

        Returns:
            Seconds since the epoch, to the millisecond; None if the token is invalid at `now`.
        """
        if self.remaining_seconds(token, now, instance) is None:
            return None
        life = self._verified[token, instance]
        return (life >> _LENGTH_BITS) / _MILLISECONDS - (life & _LENGTH)

    def _verify(self, token: str, instance: bytes) -> int | None:
        if len(token) != _CHARACTERS:
            return None
        try:
            raw = binascii.a2b_base64(token.translate(_FROM_URL_SAFE))
        except ValueError:
            return None
        nonce, masked_life = raw[_NONCE], raw[_LIFE]
        # Comparing the whole text also rejects any other encoding of the same bytes.
        if not hmac.compare_digest(self._encode(nonce, masked_life, instance), token.encode()):
            return None
        return int.from_bytes(masked_life, "big", signed=True) ^ self._mask(nonce)

    def _mask(self, nonce: bytes) -> int:
        mask = blake2b(nonce, key=self._key, digest_size=_LIFE_BYTES, person=b"life").digest()
        return int.from_bytes(mask, "big", signed=True)  # a clock before 1970 makes the end negative

    def _encode(self, nonce: bytes, masked_life: bytes, instance: bytes) -> bytes:
        claim = nonce + masked_life
        code = blake2b(claim + instance, key=self._key, digest_size=_CODE_BYTES, person=b"code").digest()
        return binascii.b2a_base64(_PREFIX + claim + code, newline=False).translate(_TO_URL_SAFE)
