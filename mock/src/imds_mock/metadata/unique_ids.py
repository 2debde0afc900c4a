"""Identifiers derived from facts, so that the same configuration gives the same identifiers at every start.

EC2 ids end in 17 hexadecimal digits, of which the first is 0. IAM unique ids are base32; the 40 bits after the first
one are the account, from which `sts get-access-key-info` reads it.
"""

from __future__ import annotations

import base64
from hashlib import shake_256
from typing import Final

_ACCOUNT_BYTES: Final = 6
_ACCOUNT_SHIFT: Final = 7


def random_bytes(length: int, *facts: str) -> bytes:
    """Pseudorandom bytes derived from facts.

    Args:
        length: Number of bytes.
        facts: Texts to derive from; their order and boundaries count.
    """
    return shake_256("\0".join(facts).encode()).digest(length)


def uuid(*facts: str) -> str:
    """A version 4 UUID as text."""
    raw = random_bytes(16, *facts).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


def ec2_id(prefix: str, *facts: str) -> str:
    """An id such as `eni-0123456789abcdef0`."""
    return f"{prefix}-0{random_bytes(8, prefix, *facts).hex()}"


def iam_id(prefix: str, account_id: str, length: int, entropy: bytes) -> str:
    """An id such as `ASIAQAAAAAAAAAAAAAAA` or `AIPAQAAAAAAAAAAAAAAAA`.

    Args:
        prefix: Four letters for the kind of id.
        account_id: The account that the id belongs to, 12 digits.
        length: Total number of characters.
        entropy: Bytes that make the id unique, at least as many as the length needs.
    """
    first = (1 << 47) | (int(account_id) << _ACCOUNT_SHIFT) | (entropy[0] & 0x7F)
    digits = base64.b32encode(first.to_bytes(_ACCOUNT_BYTES, "big") + entropy[1:]).decode().rstrip("=")
    return f"{prefix}{digits}"[:length]


def mac_address(*facts: str) -> str:
    """A locally administered unicast MAC address, lower case."""
    return ":".join(f"{byte:02x}" for byte in b"\x0a" + random_bytes(5, "mac", *facts))
