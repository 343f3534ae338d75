"""A table of HTTP routes: exact paths in a dict, paths with {placeholders} after them, in the order they were added."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from gateway.errors import MethodNotAllowed, NotFound

T = TypeVar("T")
_PLACEHOLDER = re.compile(r"\\{(\w+)\\}")
_LAST = re.compile(r"\[\^/\]\+\)([^/()]*)$")


class RouteTable(Generic[T]):
    def __init__(self) -> None:
        self._exact: dict[str, dict[str, T]] = {}
        self._templates: list[tuple[re.Pattern[str], dict[str, T]]] = []
        self._segments: list[tuple[list[str], T]] = []

    def add(self, method: str, path: str, value: T) -> None:
        self._segments.append((path.split("/"), value))
        if "{" not in path:
            self._exact.setdefault(path, {})[method] = value
            return
        compiled = _compiled(path)
        for known, methods in self._templates:
            if known.pattern == compiled.pattern:
                methods[method] = value
                return
        self._templates.append((compiled, {method: value}))

    def find(self, method: str, path: str) -> tuple[T, Mapping[str, str]]:
        """Return the value and the placeholders' texts. Raises NotFound or MethodNotAllowed."""
        known: set[str] = set()
        for methods, params in self._matches(path):
            if method in methods:
                return methods[method], params
            known.update(methods)
        if known:
            raise MethodNotAllowed(f"{path} takes {', '.join(sorted(known))}, not {method}", allow=sorted(known))
        raise NotFound(f"there is no {path[:200]!r} here; GET / says what this is and where its documentation stands")

    def nearest(self, path: str) -> T | None:
        """Return the value that has most leading segments in common with a path, None where no route begins like it."""
        segments = path.split("/")
        most, found = 0, None
        for known, value in self._segments:
            common = _common(known[1:], segments[1:])
            if common > most:
                most, found = common, value
        return found

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the methods that a path takes, () for an unknown path."""
        return tuple(dict.fromkeys(method for methods, _ in self._matches(path) for method in methods))

    def paths(self) -> list[str]:
        return [*self._exact, *(pattern.pattern for pattern, _ in self._templates)]

    def _matches(self, path: str) -> Iterator[tuple[Mapping[str, T], Mapping[str, str]]]:
        """Yield every route of a path, the exact one first: `GET /models/{id}` hides no `POST /models/{id}:embed`."""
        if path in self._exact:
            yield self._exact[path], {}
        for pattern, methods in self._templates:
            match = pattern.fullmatch(path)
            if match is not None:
                yield methods, match.groupdict()


def _common(known: Sequence[str], asked: Sequence[str]) -> int:
    """Count the leading segments that agree; a placeholder agrees with everything and says nothing."""
    count = 0
    for mine, theirs in zip(known, asked, strict=False):
        if "{" not in mine:
            if mine != theirs:
                break
            count += 1
    return count


def _compiled(path: str) -> re.Pattern[str]:
    """A placeholder is a segment, or its beginning: `/models/{model}:embed`. The last of a path may hold slashes, since
    models are called provider/model."""
    pattern = _PLACEHOLDER.sub(r"(?P<\1>[^/]+)", re.escape(path))
    return re.compile(_LAST.sub(r".+)\1", pattern))
