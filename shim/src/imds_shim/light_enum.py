"""Enumerations of integers whose members cost little to make; `import_stubs` gives them to dnspython.

The standard library takes 25,000 instructions for each of the 140 members that dnspython defines, a tenth of a start.
Here a member is an integer with a name and a value. Functions of dnspython that take or return members work with both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class EnumType(type):
    """The class of an enumeration: a call finds a member by its value, an index by its name."""

    __members__: Mapping[str, Any]
    _by_value: dict[int, Any]

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> EnumType:
        """Make the class, and a member of each integer in its body; a second name of a value is an alias."""
        made: Any = super().__new__(cls, name, bases, namespace)
        made.__members__, made._by_value = members, by_value = {}, {}  # noqa: SLF001 - see above
        for key, value in namespace.items():
            if type(value) is int and not key.startswith("__"):  # Python 3.13 adds __firstlineno__
                if value not in by_value:
                    by_value[value] = member = int.__new__(made, value)
                    member._name_, member._value_ = key, value
                members[key] = by_value[value]
                setattr(made, key, by_value[value])
        return made  # type: ignore[no-any-return]  # made above

    def __call__(cls, value: int) -> Any:
        """Return the member with this value, or what the class makes of another value.

        Raises:
            ValueError: there is none.
        """
        member = cls._by_value.get(value)
        return cls._missing_(value) if member is None else member

    def _missing_(cls, value: int) -> Any:
        raise ValueError(f"{value!r} is not a valid {cls.__name__}")

    def __getitem__(cls, name: str) -> Any:
        """Return the member with this name. Raises KeyError."""
        return cls.__members__[name]

    def __iter__(cls) -> Iterator[Any]:
        """Return the members, without aliases."""
        return iter(cls._by_value.values())


class IntEnum(int, metaclass=EnumType):
    """The base class; a member's `name` is the first one of its value."""

    _name_: str
    _value_: int

    @property
    def name(self) -> str:
        """The member's name."""
        return self._name_

    @property
    def value(self) -> int:
        """The member's value."""
        return self._value_


class IntFlag(IntEnum):
    """The base class of flags; several flags together are a plain integer."""

    @classmethod
    def _missing_(cls, value: int) -> int:
        return value


NAMES: dict[str, object] = {"Enum": IntEnum, "IntEnum": IntEnum, "IntFlag": IntFlag}
"""The names of the module `enum` that dnspython uses."""
