"""A YAML file as plain values that still know where they were written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import Problem

Path = tuple[str | int, ...]  # from the root of a document to one of its values: ("routes", 3, "path")


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a file. Lines and columns count from 1; the end is the column after the last character."""

    file: str
    line: int
    column: int
    end_line: int = 0
    end_column: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values, and for each of their paths where its key and its value stand.

    `texts` holds what was written where a value was substituted, `variables` what it was substituted from: () where
    that failed.
    """

    file: str
    value: Any
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    variables: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def tables(self) -> tuple[dict[Path, Any], ...]:
        """Everything that is kept by path."""
        return self.keys, self.values, self.texts, self.variables

    def key_mark(self, path: Path) -> Mark:
        """Where the key of `path` stands; of a list item, where it begins; else the nearest thing around it."""
        return self.keys.get(path) or self.value_mark(path)

    def value_mark(self, path: Path) -> Mark:
        while path:
            if mark := self.values.get(path):
                return mark
            path = path[:-1]
        return Mark(self.file, 1, 1)

    def show(self, path: Path, value: Any) -> str:
        """Return `value` fit for a message: what was substituted appears as it was written, never as it came out."""
        if path in self.texts:
            return repr(self.texts[path])
        if is_secret(path):
            return "…"
        return describe(value)


@dataclass(frozen=True, slots=True)
class Section:
    """One value of a document together with its place: what compiling code walks, and blames."""

    document: Document
    path: Path
    value: Any
    problems: list[Problem]

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def at(self, key: str | int) -> Section:
        """The section under `key`; its value is None where there is none."""
        value = self.value
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key]
        else:
            value = None
        return Section(self.document, (*self.path, key), value, self.problems)

    def get(self, key: str, default: Any = None) -> Any:
        return self.value.get(key, default) if isinstance(self.value, dict) else default

    def each(self) -> Iterator[tuple[Any, Section]]:
        """Yield key and section of a mapping's entries, or index and section of a list's items."""
        if isinstance(self.value, dict):
            yield from ((key, self.at(key)) for key in self.value)
        elif isinstance(self.value, list):
            yield from ((index, self.at(index)) for index in range(len(self.value)))

    @property
    def is_substituted(self) -> bool:
        return self.path in self.document.texts

    def show(self) -> str:
        return self.document.show(self.path, self.value)

    def error(self, message: str, *, at_key: bool = False) -> None:
        """Report `message` where the value stands, or where its key does."""
        self._report(message, "key" if at_key else "value", is_warning=False)

    def warn(self, message: str) -> None:
        self._report(message, "value", is_warning=True)

    def place(self) -> str:
        """`providers.yaml:12`: where the key stands, to be named in the message about another place."""
        mark = self.document.key_mark(self.path)
        return f"{mark.file}:{mark.line}"

    def _report(self, message: str, at: str, *, is_warning: bool) -> None:
        mark = self.document.key_mark(self.path) if at == "key" else self.document.value_mark(self.path)
        severity: Any = "warning" if is_warning else "error"
        self.problems.append(Problem(mark.file, mark.line, mark.column, message, severity))


_SECRET_PLACES = (
    ("stores", "redis_url"),
    ("stores", "database_url"),
    ("alerts", "webhook"),
    ("keys", "signing_secret"),
)


def is_secret(path: Path) -> bool:
    """Return whether the value at `path` is, or lies within, something that must never be shown."""
    if len(path) >= 3 and path[0] == "providers":
        return path[2] in ("credentials", "headers") and len(path) >= 4
    if path[:2] in _SECRET_PLACES:
        return True
    if path[:3] == ("telemetry", "traces", "headers"):
        return len(path) >= 4
    if path[:2] == ("keys", "jwt"):
        return len(path) >= 4 and path[3] == "secret"
    if path[:2] != ("keys", "static"):
        return False
    return len(path) <= 3 or path[3] in ("key", "sha256")


def dotted(path: Path) -> str:
    """Write a path as people do: `routes[3].quota.requests[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def describe(value: Any) -> str:
    """Write a value for a message, short."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else str(value)
