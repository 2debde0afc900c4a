"""`light_enum` behaves as `enum` does, as far as dnspython uses it."""

from __future__ import annotations

import enum
import subprocess
import sys
from typing import Any

import pytest

from imds_shim import light_enum

REAL: dict[str, Any] = {"Enum": enum.IntEnum, "IntEnum": enum.IntEnum, "IntFlag": enum.IntFlag}


@pytest.fixture(params=["light", "real"])
def names(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Both implementations."""
    return light_enum.NAMES if request.param == "light" else REAL


def test_members_are_found_by_value_and_by_name(names: dict[str, Any]) -> None:
    base = names["IntEnum"]

    class Kind(base):  # type: ignore[misc,valid-type]  # either implementation
        NONE = 0
        FIRST = 1
        ALIAS = 1

    by_name: Any = Kind
    assert [Kind(0), by_name["FIRST"], by_name["ALIAS"]] == [Kind.NONE, Kind.FIRST, Kind.FIRST]
    assert Kind(1) is Kind.FIRST
    assert (Kind(1).name, Kind.FIRST.value, isinstance(Kind.FIRST, Kind)) == ("FIRST", 1, True)
    assert list(Kind) == [Kind.NONE, Kind.FIRST]
    assert list(Kind.__members__) == ["NONE", "FIRST", "ALIAS"]
    assert Kind.FIRST == 1 == hash(Kind.FIRST)
    with pytest.raises(ValueError, match="2 is not a valid"):
        Kind(2)
    with pytest.raises(KeyError):
        by_name["SECOND"]


def test_a_class_may_make_values_that_it_does_not_list(names: dict[str, Any]) -> None:
    base = names["IntEnum"]

    class Kind(base):  # type: ignore[misc,valid-type]  # either implementation
        @classmethod
        def _missing_(cls, value: int) -> object:
            made = int.__new__(cls, value)
            made._name_, made._value_ = f"TYPE{value}", value
            return made

        ONE = 1

    assert (Kind(7).name, Kind(7).value, Kind(7)) == ("TYPE7", 7, 7)


def test_several_flags_together_are_a_number(names: dict[str, Any]) -> None:
    base = names["IntFlag"]

    class Flag(base):  # type: ignore[misc,valid-type]  # either implementation
        LOW = 1
        HIGH = 4

    assert (Flag(5), Flag.LOW | Flag.HIGH, Flag(5) & Flag.HIGH) == (5, 5, 4)


def test_attributes_that_python_adds_to_a_class_are_no_members() -> None:
    """Python 3.13 adds the number of the class's first line."""
    added: Any = light_enum.EnumType("Kind", (light_enum.IntEnum,), {"__firstlineno__": 24, "SIG": 24})
    assert (added(24).name, list(added.__members__)) == ("SIG", ["SIG"])


def test_dnspython_reads_and_writes_messages_with_it() -> None:
    code = """
import sys, typing
sys.modules.pop("enum", None)  # newer Pythons do not import it with typing
from imds_shim import import_stubs
import_stubs.load("dns.message")
import dns.enum, dns.message, dns.rcode, dns.rdatatype
assert "enum" not in sys.modules
query = dns.message.make_query("a.example.", "AAAA", use_edns=False, id=7)
wire = bytearray(query.to_wire())
wire[2:4] = b"\\x81\\x83"
answer = dns.message.from_wire(bytes(wire))
print(query.is_response(answer), dns.rcode.to_text(answer.rcode()), answer.question[0].to_text(), int(answer.flags))
print(dns.rdatatype.to_text(65000), dns.rdatatype.from_text("TYPE731") == 731, dns.rcode.to_text(3841))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True NXDOMAIN a.example. IN AAAA 33155\nTYPE65000 True 3841\n"
