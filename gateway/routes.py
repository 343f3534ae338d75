"""A table of HTTP routes: exact paths in a dict, paths with {placeholders} after them, in the order they were added."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

from gateway.errors import MethodNotAllowed, NotFound

T = TypeVar("T")
_PLACEHOLDER = re.compile(r"\\{(\w+)\\}")


class RouteTable(Generic[T]):
    def __init__(self) -> None:
        self._exact: dict[str, dict[str, T]] = {}
        self._templates: list[tuple[re.Pattern[str], dict[str, T]]] = []

    def add(self, method: str, path: str, value: T) -> None:
        if "{" not in path:
            self._exact.setdefault(path, {})[method] = value
            return
        # A placeholder is one segment; the last may hold slashes, since models are called provider/model.
        pattern = _PLACEHOLDER.sub(r"(?P<\1>[^/]+)", re.escape(path))
        if path.endswith("}"):
            pattern = re.sub(r"\[\^/\]\+\)$", ".+)", pattern)
        compiled = re.compile(pattern)
        for known, methods in self._templates:
            if known.pattern == compiled.pattern:
                methods[method] = value
                return
        self._templates.append((compiled, {method: value}))

    def find(self, method: str, path: str) -> tuple[T, Mapping[str, str]]:
        """Return the value and the placeholders' texts. Raises NotFound or MethodNotAllowed."""
        methods = self._exact.get(path)
        params: Mapping[str, str] = {}
        if methods is None:
            methods, params = self._match(path)
        if method in methods:
            return methods[method], params
        raise MethodNotAllowed(f"{path} takes {', '.join(sorted(methods))}, not {method}", allow=sorted(methods))

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the methods that a path takes, () for an unknown path."""
        try:
            return tuple(self._exact.get(path) or self._match(path)[0])
        except NotFound:
            return ()

    def paths(self) -> list[str]:
        return [*self._exact, *(pattern.pattern for pattern, _ in self._templates)]

    def _match(self, path: str) -> tuple[dict[str, T], Mapping[str, str]]:
        for pattern, methods in self._templates:
            match = pattern.fullmatch(path)
            if match is not None:
                return methods, match.groupdict()
        raise NotFound(f"there is no {path[:200]!r} here; GET / says what this is and where its documentation stands")
