"""Session tokens that contain their own expiry, so the mock stores none.

A token is 40 bytes in URL-safe base64 with padding, 56 characters, as on current instances: the bytes 01 00 04 00 (so
the text starts with `AQAEA`), a nonce, the masked end and length of its life, and a message authentication code (keyed
BLAKE2b, RFC 7693) of these and the instance id. The life is masked with the code, because real tokens show no structure
after their first bytes; it is public.
"""

from __future__ import annotations

import binascii
import hmac
import math
import secrets
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_TTL_SECONDS: Final = 1
MAX_TTL_SECONDS: Final = 21_600

_PREFIX: Final = b"\x01\x00\x04\x00"
_NONCE_BYTES: Final = 12
_LIFE_BYTES: Final = 8
_CODE_BYTES: Final = 16
_NUMBER: Final = Struct(">q")  # of `_LIFE_BYTES`; signed, because a clock before 1970 makes the end negative
_NONCE: Final = slice(len(_PREFIX), len(_PREFIX) + _NONCE_BYTES)
_LIFE: Final = slice(_NONCE.stop, _NONCE.stop + _LIFE_BYTES)
_CODE: Final = slice(_LIFE.stop, _LIFE.stop + _CODE_BYTES)
_BYTES: Final = _CODE.stop
_CHARACTERS: Final = 56
_MILLISECONDS: Final = 1000
# The life as a number: its end in milliseconds since the epoch, and its length in seconds in the lowest bits.
_LENGTH_BITS: Final = 15
_LENGTH: Final = (1 << _LENGTH_BITS) - 1
# Differences of floats may be wrong about the exact moment at which a number of seconds changes.
_ROUNDING_SECONDS: Final = 0.001
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

    __slots__ = ("_authenticator", "_nonces", "_random_bytes", "_verified")

    def __init__(self, key: bytes | None = None, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        secret = secrets.token_bytes(32) if key is None else key
        # Copied for each token, which takes less time than making one from the key.
        self._authenticator = blake2b(key=secret, digest_size=_CODE_BYTES, person=b"code")
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
        nonces = self._nonces or self._random_bytes(_NONCE_BYTES * _NONCES_AT_ONCE)
        self._nonces = nonces[_NONCE_BYTES:]
        life = int((now + ttl_seconds) * _MILLISECONDS) << _LENGTH_BITS | ttl_seconds
        return self._encode(nonces[:_NONCE_BYTES], life, instance)

    def check(self, token: str, now: float, instance: bytes) -> tuple[int, float] | None:
        """The remaining life of a token, and until when it is the same number.

        Args:
            token: The client's token.
            now: Wall-clock time in seconds since the epoch.
            instance: The id of the instance that receives it.

        Returns:
            Seconds, rounded up, and a time in seconds since the epoch; None if the token is malformed, forged, for
            another instance or expired.
        """
        life = self._verified.get((token, instance))
        if life is None:
            life = self._verify(token, instance)
            if life is None:
                return None
            if len(self._verified) >= _MAX_VERIFIED:
                self._verified.clear()
            self._verified[token, instance] = life
        left = (life >> _LENGTH_BITS) / _MILLISECONDS - now
        if left <= 0:
            return None
        seconds = math.ceil(left)
        # After the clock is set back, a token must not show more than the lifetime that it was issued with.
        return min(seconds, life & _LENGTH), now + left - seconds + 1 - _ROUNDING_SECONDS

    def issued_at(self, token: str, now: float, instance: bytes) -> float | None:
        """When a token was issued.

        Args:
            token: The client's token.
            now: Wall-clock time in seconds since the epoch.
            instance: The id of the instance that receives it.

        Returns:
            Seconds since the epoch, to the millisecond; None if the token is invalid at `now`.
        """
        if self.check(token, now, instance) is None:
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
        if len(raw) != _BYTES:
            return None
        masked: int = _NUMBER.unpack(raw[_LIFE])[0]
        life = masked ^ _mask(raw[_CODE])
        # Comparing the whole text also rejects any other encoding of the same bytes.
        if not hmac.compare_digest(self._encode(raw[_NONCE], life, instance), token.encode()):
            return None
        return life

    def _encode(self, nonce: bytes, life: int, instance: bytes) -> bytes:
        authenticator = self._authenticator.copy()
        authenticator.update(nonce + _NUMBER.pack(life) + instance)
        code = authenticator.digest()
        raw = _PREFIX + nonce + _NUMBER.pack(life ^ _mask(code)) + code
        return binascii.b2a_base64(raw, newline=False).translate(_TO_URL_SAFE)


def _mask(code: bytes) -> int:
    mask: int = _NUMBER.unpack_from(code)[0]
    return mask
