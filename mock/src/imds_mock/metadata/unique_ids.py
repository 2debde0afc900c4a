"""Identifiers that follow from facts, so that the same configuration has the same ones everywhere and at every start.

Ids of EC2 end in 17 hexadecimal digits, the first of them 0 since they have that many. Unique ids of IAM are base32
and begin with the account: the 40 bits after the first one, as AWS's own `sts get-access-key-info` reads them.
"""

from __future__ import annotations

import base64
from hashlib import shake_256
from typing import Final

_ACCOUNT_BYTES: Final = 6
_ACCOUNT_SHIFT: Final = 7


def random_bytes(length: int, *facts: str) -> bytes:
    """Bytes that look random and follow from the facts.

    Args:
        length: How many.
        facts: Text that they depend on, order and boundaries included.
    """
    return shake_256("\0".join(facts).encode()).digest(length)


def uuid(*facts: str) -> str:
    """A UUID of version 4, as text.

    Args:
        facts: Text that it follows from.
    """
    raw = random_bytes(16, *facts).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


def ec2_id(prefix: str, *facts: str) -> str:
    """An id such as `eni-0123456789abcdef0`.

    Args:
        prefix: What stands before the hyphen.
        facts: Text that it follows from.
    """
    return f"{prefix}-0{random_bytes(8, prefix, *facts).hex()}"


def iam_id(prefix: str, account_id: str, length: int, entropy: bytes) -> str:
    """An id such as `ASIAQAAAAAAAAAAAAAAA` or `AIPAQAAAAAAAAAAAAAAAA`.

    Args:
        prefix: The kind, four letters.
        account_id: The account of 12 digits that it says it belongs to.
        length: Characters in all.
        entropy: Bytes that make it unique, at least as many as the length needs.
    """
    first = (1 << 47) | (int(account_id) << _ACCOUNT_SHIFT) | (entropy[0] & 0x7F)
    digits = base64.b32encode(first.to_bytes(_ACCOUNT_BYTES, "big") + entropy[1:]).decode().rstrip("=")
    return f"{prefix}{digits}"[:length]


def mac_address(*facts: str) -> str:
    """A locally administered unicast MAC address, lower case.

    Args:
        facts: Text that it follows from.
    """
    return ":".join(f"{byte:02x}" for byte in b"\x0a" + random_bytes(5, "mac", *facts))
