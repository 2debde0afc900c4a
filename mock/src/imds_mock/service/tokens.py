"""Session tokens that carry their own end: nothing to store, nothing to sweep, nothing to lock.

A token is 40 bytes in URL-safe base64 with padding, 56 characters, as on current instances: the four bytes 01 00 04 00
(so the text starts `AQAEA`), a nonce, the masked end and length of its life, and a message authentication code (keyed
BLAKE2b, RFC 7693) over them and the instance that it was made for. They are masked because real tokens show no
structure after their first bytes.
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
# A life is its end in milliseconds since the epoch and, in the lowest bits, its length in seconds.
_LENGTH_BITS: Final = 15
_LENGTH: Final = (1 << _LENGTH_BITS) - 1
_NONCES_AT_ONCE: Final = 32  # each call for random bytes is one of the kernel
_REMEMBERED: Final = 1024
_TO_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE: Final = str.maketrans("-_", "+/")


class Tokens:
    """Issues and checks session tokens.

    Args:
        key: Secret of 16 to 64 bytes; whoever holds it accepts the tokens made with it. None makes one.
        random_bytes: Source of nonces.
    """

    __slots__ = ("_key", "_nonces", "_random_bytes", "_verified")

    def __init__(self, key: bytes | None = None, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self._random_bytes = random_bytes
        self._nonces = b""
        # Lives of tokens found genuine lately. Only speed hangs on it: it may be emptied at any time.
        self._verified: dict[tuple[str, bytes], int] = {}

    def issue(self, ttl_seconds: int, now: float, instance: bytes) -> bytes:
        """Make a token.

        Args:
            ttl_seconds: Its life, 1 to 21600.
            now: Wall-clock time in seconds since the epoch.
            instance: The instance that it is for; it is refused everywhere else.

        Returns:
            56 ASCII characters.
        """
        if not self._nonces:
            self._nonces = self._random_bytes(_NONCE_BYTES * _NONCES_AT_ONCE)
        nonce, self._nonces = self._nonces[:_NONCE_BYTES], self._nonces[_NONCE_BYTES:]
        life = int((now + ttl_seconds) * _MILLISECONDS) << _LENGTH_BITS | ttl_seconds
        return self._seal(nonce, (life ^ self._mask(nonce)).to_bytes(_LIFE_BYTES, "big", signed=True), instance)

    def remaining_seconds(self, token: str, now: float, instance: bytes) -> int | None:
        """Check a token.

        Args:
            token: What the client sent.
            now: Wall-clock time in seconds since the epoch.
            instance: The instance that was asked.

        Returns:
            The seconds left, rounded up; None when the token is malformed, forged, for another instance or expired.
        """
        life = self._verified.get((token, instance))
        if life is None:
            life = self._genuine_life(token, instance)
            if life is None:
                return None
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[token, instance] = life
        left = math.ceil((life >> _LENGTH_BITS) / _MILLISECONDS - now)
        # A clock that was set back must not show more than could ever be asked for.
        return min(left, MAX_TTL_SECONDS) if left > 0 else None

    def issued_at(self, token: str, now: float, instance: bytes) -> float | None:
        """Tell when a token was issued.

        Args:
            token: What the client sent.
            now: Wall-clock time in seconds since the epoch.
            instance: The instance that was asked.

        Returns:
            Seconds since the epoch, to the millisecond; None when the token is not good at `now`.
        """
        if self.remaining_seconds(token, now, instance) is None:
            return None
        life = self._verified[token, instance]
        return (life >> _LENGTH_BITS) / _MILLISECONDS - (life & _LENGTH)

    def _genuine_life(self, token: str, instance: bytes) -> int | None:
        if len(token) != _CHARACTERS:
            return None
        try:
            raw = binascii.a2b_base64(token.translate(_FROM_URL_SAFE))
        except ValueError:
            return None
        nonce, masked_life = raw[_NONCE], raw[_LIFE]
        # Comparing the whole text also refuses every other way to spell the same bytes.
        if not hmac.compare_digest(self._seal(nonce, masked_life, instance), token.encode()):
            return None
        return int.from_bytes(masked_life, "big", signed=True) ^ self._mask(nonce)

    def _mask(self, nonce: bytes) -> int:
        mask = blake2b(nonce, key=self._key, digest_size=_LIFE_BYTES, person=b"life").digest()
        return int.from_bytes(mask, "big", signed=True)  # a clock before 1970 makes the end negative

    def _seal(self, nonce: bytes, masked_life: bytes, instance: bytes) -> bytes:
        claim = nonce + masked_life
        code = blake2b(claim + instance, key=self._key, digest_size=_CODE_BYTES, person=b"code").digest()
        return binascii.b2a_base64(_PREFIX + claim + code, newline=False).translate(_TO_URL_SAFE)
