"""Frozen values with named fields, as NamedTuple and dataclass make them, without writing and compiling code for each.

Those two cost a start a tenth of its time; what they write is the same here for all.
"""

from __future__ import annotations

from typing import ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """A base class: a subclass names its fields by annotations, with a default where it has one.

    Values of one class are equal if their fields are; `__post_init__` may refuse them.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Note the fields, those of the base class first."""
        cls._fields = (*cls._fields, *cls.__annotations__)

    def __init__(self, *values: object, **named: object) -> None:
        """Take the fields in their order or by name.

        Raises:
            TypeError: too many, an unknown or a missing one.
        """
        if len(values) > len(self._fields) or not named.keys() <= set(self._fields[len(values) :]):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self._fields)}")
        vars(self).update(zip(self._fields, values, strict=False), **named)
        for field in self._fields[len(values) :]:
            if field not in named and not hasattr(type(self), field):
                raise TypeError(f"{type(self).__name__} needs {field}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Raise ValueError for values that cannot be."""

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse it."""
        raise AttributeError(f"{type(self).__name__} is frozen")

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field) for field in self._fields)

    def __eq__(self, other: object) -> bool:
        """Whether it is of the same class with equal fields."""
        return isinstance(other, Record) and type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        """Return the same for equal ones."""
        return hash(self._values())

    def __repr__(self) -> str:
        """Return it as it is made."""
        listed = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__name__}({listed})"
