"""Every value that the files make, with where it is from: a line of a file, a variable, `defaults`, or the schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.config.document import Document, Path, dotted, is_secret
from gateway.config.dotenv import read_dotenv
from gateway.config.files import Files, bundled
from gateway.config.load import Reading
from gateway.config.schema import read_schema
from gateway.config.subschemas import Schema, Subschemas

HIDDEN, EMPTY_SECRET = "(hidden)", "(empty)"
_LOOKS_SECRET = re.compile(r"(?:^|[_-])(?:key|token|secret|password|passwd|credentials?|authorization)$", re.IGNORECASE)
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Value:
    """One value that is no mapping and no list of mappings; `value` is masked where it may be secret."""

    path: str
    value: Any
    origin: str


def effective(reading: Reading, files: Files, environ: Mapping[str, str]) -> list[Value]:
    """Return all values in the order of the files, those of each mapping that nobody wrote after its others."""
    dotenv: dict[str, str] = {}
    for folder in files.folders:
        dotenv = read_dotenv(folder / ".env", []) | dotenv
    found: list[Value] = []
    for document, name in zip(reading.documents, ("routes", "providers"), strict=False):
        if document is not None:
            schema = read_schema(bundled() / "schemas" / f"{name}.schema.json")
            found += _Walk(document, Subschemas(schema), environ, dotenv).all()
    return found


class _Walk:
    def __init__(
        self, document: Document, schema: Subschemas, environ: Mapping[str, str], dotenv: Mapping[str, str]
    ) -> None:
        self._document = document
        self._schema = schema
        self._environ = environ
        self._dotenv = dotenv

    def all(self) -> Iterator[Value]:
        yield from self._values(self._document.value, ())

    def _values(self, value: Any, path: Path) -> Iterator[Value]:
        if isinstance(value, dict):
            for name, item in value.items():
                yield from self._values(item, (*path, name))
            if len(path) == 2 and path[0] == "routes":
                yield from self._inherited(value, path)
            yield from self._unwritten(value, path)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for index, item in enumerate(value):
                yield from self._values(item, (*path, index))
        else:
            yield Value(dotted(path), self._masked(value, path), self._origin(path))

    def _inherited(self, route: Mapping[str, Any], path: Path) -> Iterator[Value]:
        """Yield what `defaults` gives a route that does not say so itself."""
        for name, value in (self._document.value.get("defaults") or {}).items():
            if name not in route:
                for one in self._values(value, ("defaults", name)):
                    place = dotted(path) + one.path.removeprefix("defaults")
                    yield Value(place, one.value, f"{one.origin} (defaults)")

    def _unwritten(self, value: Mapping[str, Any], path: Path) -> Iterator[Value]:
        """Yield what the schema says of names that are not written."""
        for name in dict.fromkeys(name for part in self._schema.at(path) for name in part.get("properties", ())):
            if name in value or is_secret((*path, name)):
                continue
            if len(path) == 2 and path[0] == "routes" and name in (self._document.value.get("defaults") or {}):
                continue
            parts = self._schema.at((*path, name))
            default = next((part["default"] for part in parts if "default" in part), _ABSENT)
            if default is not _ABSENT:
                yield Value(dotted((*path, name)), default, "default")
            elif _is_section(parts):
                yield from self._unwritten({}, (*path, name))

    def _masked(self, value: Any, path: Path) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if is_secret(path) or is_secret((*path, "any")) or self._is_from_file(path) or self._is_secret_option(path):
            return HIDDEN if value else EMPTY_SECRET
        return value

    def _is_from_file(self, path: Path) -> bool:
        return any(name.startswith("file:") for name in self._names(path))

    def _is_secret_option(self, path: Path) -> bool:
        """A plugin's or middleware's own keys: nobody here knows which are secret, so what may be is."""
        if "options" not in path:
            return False
        is_substituted = any(one[: len(path)] == path for one in self._document.texts)
        return is_substituted or _LOOKS_SECRET.search(str(path[-1])) is not None

    def _names(self, path: Path) -> list[str]:
        """Return what the value, or an item of it, was substituted from."""
        variables = self._document.variables
        inside = [names for one, names in variables.items() if one[: len(path)] == path]
        return list(dict.fromkeys(name for names in inside for name in names))

    def _origin(self, path: Path) -> str:
        mark = self._document.value_mark(path)
        parts = [f"{mark.file}:{mark.line}"]
        for name in self._names(path):
            if name.startswith("file:"):
                parts.append(f"the file {name.removeprefix('file:')}")
            elif self._environ.get(name):
                parts.append(f"{name} of the environment")
            elif self._dotenv.get(name) and name not in self._environ:
                parts.append(f"{name} of .env")
            else:
                parts.append(f"{name} is not set")
        return ", ".join(parts)


def _is_section(parts: tuple[Schema, ...]) -> bool:
    """Whether a mapping that is not written is as if it were empty: one that may be `none` is not there."""
    is_choice = any(keyword in part for part in parts for keyword in ("anyOf", "oneOf"))
    return not is_choice and any(part.get("type") == "object" for part in parts)
