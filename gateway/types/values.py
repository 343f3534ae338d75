"""Values that a request makes by the dozen: frozen as mypy sees them, plain as Python makes them.

Python sets each field of a frozen dataclass through a call, and `dataclasses.replace` asks every field what it is: to
make a `Chat` takes 2.5 µs then in place of 0.4, to change a `Call` 3.6 in place of 0.9.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

_READ: dict[type, Callable[[Any], tuple[Any, ...]]] = {}  # all fields of a quick value, in their order


def quick(frozen: type[T]) -> type[T]:
    """Have a frozen dataclass of several fields made, and copied by `replace`, as quickly as one that is not frozen."""
    fields = dataclasses.fields(frozen)  # type: ignore[arg-type]  # a dataclass, or this raises at the import
    plain = dataclasses.make_dataclass(
        frozen.__name__, [(each.name, each.type, each) for each in fields], eq=False, repr=False
    )
    frozen.__init__ = plain.__init__  # type: ignore[misc, method-assign]
    del frozen.__setattr__, frozen.__delattr__
    _READ[frozen] = attrgetter(*(each.name for each in fields))
    return frozen


if TYPE_CHECKING:
    from dataclasses import replace as replace
else:

    def replace(value: T, /, **changes: Any) -> T:
        """As `dataclasses.replace`; a quick value is copied whole, and then changed."""
        read = _READ.get(type(value))
        if read is None:
            return dataclasses.replace(value, **changes)
        copy = type(value)(*read(value))
        for name, changed in changes.items():
            setattr(copy, name, changed)
        return copy
