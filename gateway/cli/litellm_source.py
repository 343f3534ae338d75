"""LiteLLM's config.yaml as it is read: every key is taken, or left with the reason why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gateway.config.document import Document, dotted
from gateway.config.document import Path as ValuePath

NO_COUNTERPART = "has no counterpart here"
_ENVIRON = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Table:
    """gateway/cli/litellm.yaml."""

    vendors: Mapping[str, str]
    compatible: str
    dated: str
    dated_path: str
    versioned: list[str]
    unknown_vendor: str
    region: str
    endpoints: list[str]
    unprefixed: Mapping[str, str]
    modes: Mapping[str, str]
    named: Mapping[str, str]
    strategies: Mapping[str, str]
    credentials: Mapping[str, str]
    prices: Mapping[str, tuple[str, int]]
    periods: Mapping[str, str]
    reasons: Mapping[str, str]


@cache
def table() -> Table:
    with Path(__file__).with_name("litellm.yaml").open() as file:
        return Table(**yaml.safe_load(file))


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be carried over."""

    line: int
    what: str
    why: str


@dataclass(slots=True)
class Notes:
    """What is to be told. Not frozen: it fills while the file is read."""

    document: Document
    left: list[Left] = field(default_factory=list)

    def leave(self, path: ValuePath, why: str) -> None:
        self.left.append(Left(self.document.key_mark(path).line, dotted(path), why))

    def told(self) -> list[Left]:
        """Return what is left in the order of the file, the same of several models as one."""
        by_what: dict[tuple[str, str], list[Left]] = {}
        for one in sorted(self.left, key=lambda left: left.line):
            by_what.setdefault((re.sub(r"model_list\[\d+\]\.", "", one.what), one.why), []).append(one)
        found = []
        for (what, why), same in by_what.items():
            many = f" ({len(same)} models)" if len(same) > 1 else ""
            found.append(Left(same[0].line, (what if many else same[0].what) + many, why))
        return sorted(found, key=lambda left: left.line)


class Taker:
    """A mapping of the file, whose keys are taken one by one; `finish` leaves those that nobody took."""

    def __init__(self, notes: Notes, value: Any, path: ValuePath) -> None:
        self.notes = notes
        self.path = path
        self.value: Mapping[str, Any] = value if isinstance(value, dict) else {}
        self._taken: set[str] = set()

    def take(self, key: str) -> Any:
        """Return the value, None where there is none. From now on it counts as carried."""
        self._taken.add(key)
        return self.value.get(key)

    def at(self, key: str) -> Taker:
        return Taker(self.notes, self.take(key), (*self.path, key))

    def each(self, key: str) -> Iterator[Taker]:
        """Yield the mappings of a list."""
        items = self.take(key)
        for index, item in enumerate(items if isinstance(items, list) else []):
            yield Taker(self.notes, item, (*self.path, key, index))

    def leave(self, key: str, why: str) -> None:
        self._taken.add(key)
        self.notes.leave((*self.path, key), why)

    def finish(self) -> None:
        for key, value in self.value.items():
            if key not in self._taken and value not in (None, [], {}, False, "False", "false"):
                self.notes.leave((*self.path, key), table().reasons.get(key, NO_COUNTERPART))


class Secrets:
    """Values that go into `.env` instead of YAML, by the variables that stand for them."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.named: list[str] = []  # variables that the file itself names

    def reference(self, value: Any, name: str, *, is_secret: bool = True) -> str:
        """Return what stands in YAML: of `os.environ/X` ${X:-}, of a literal secret a variable called `name`."""
        text = "" if value is None else str(value)
        if (found := _ENVIRON.fullmatch(text)) is not None:
            self._name(found[1])
            return f"${{{found[1]}:-}}"
        if not is_secret or not text:
            return text.replace("$", "$$")
        variable = name
        number = 2
        while self.values.get(variable, text) != text:
            variable, number = f"{name}_{number}", number + 1
        self.values[variable] = text
        return f"${{{variable}:-}}"

    def _name(self, variable: str) -> None:
        if variable not in self.named:
            self.named.append(variable)


def is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.casefold() in ("true", "yes", "on"))


def number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
