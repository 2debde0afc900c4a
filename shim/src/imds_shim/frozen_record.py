"""`FrozenRecord`, the base class of the shim's immutable values.

The module `dataclasses` imports `inspect`, which would make the tree's snapshot 1.2 MB larger. NamedTuple and dataclass
write and compile code for each class, also for those that each start makes after the snapshot.
"""

from __future__ import annotations

from typing import ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class FrozenRecord:
    """A base class whose subclasses declare fields by annotations, optionally with defaults.

    Two values are equal if their class and all fields are. `__post_init__` may reject values.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Collect the fields, those of the base class first."""
        cls._fields = (*cls._fields, *cls.__annotations__)

    def __init__(self, *values: object, **named: object) -> None:
        """Take the fields by position or by name.

        Raises:
            TypeError: a field is missing, unknown or given twice.
        """
        fields = self._fields
        rest = fields[len(values) :]
        if len(values) > len(fields) or (named and not named.keys() <= set(rest)):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(fields)}")
        vars(self).update(zip(fields, values, strict=False), **named)
        for field in rest:
            if field not in named and not hasattr(type(self), field):
                raise TypeError(f"{type(self).__name__} needs {field}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values."""

    def __setattr__(self, name: str, value: object) -> None:
        """Raise AttributeError."""
        raise AttributeError(f"{type(self).__name__} is frozen")

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field) for field in self._fields)

    def __eq__(self, other: object) -> bool:
        """Whether class and fields are equal."""
        return isinstance(other, FrozenRecord) and type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        """Return a hash of the fields."""
        return hash(self._values())

    def __repr__(self) -> str:
        """Return the constructor call that makes this value."""
        listed = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__name__}({listed})"
