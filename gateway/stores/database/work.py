"""What is done with a database, as a value: a generator that yields statements and receives their rows.

SQLite runs one in its thread, PostgreSQL awaits each of its steps; the steps do not know which of them it is.
Statements number their places `$1`, `$2` … in the order in which they stand, each once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Row: TypeAlias = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One statement with its values; or, with `many`, the same statement for each of them, without rows."""

    statement: str
    values: Row = ()
    many: tuple[Row, ...] | None = None


Work: TypeAlias = Generator[Step, Sequence[Row], T]


def fetch(statement: str, *values: Any) -> Work[Sequence[Row]]:
    """Run a statement and return its rows."""
    return (yield Step(statement, values))


def sound_text(text: str) -> str:
    """Return a text that every database takes: no NUL, and no half of a pair."""
    return text if text.isprintable() else text.encode(errors="replace").decode().replace("\0", "\ufffd")


def many(statement: str, rows: Iterable[Row]) -> Work[None]:
    """Run a statement for each row."""
    given = tuple(rows)
    if given:
        yield Step(statement, many=given)
