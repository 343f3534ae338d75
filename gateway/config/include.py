"""Read a YAML file and what it includes as one document, every value keeping its own file and line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from pathlib import PurePath
from typing import Any

from gateway.config.document import Document, Mark, Path
from gateway.config.interpolate import interpolate
from gateway.config.yaml import MAX_FILE_BYTES, parse
from gateway.errors import Problem

MAX_FILES = 500  # each is read at every reload

_MAPS = frozenset({"providers", "models", "voices"})  # files may each add entries
_LISTS = frozenset({"routes"})  # files may each add items


@dataclass(slots=True)
class Sources:
    """The environment to read by, and what was read: file name -> its bytes. Not frozen: it fills as files are read."""

    environ: Mapping[str, str]
    problems: list[Problem]
    files: dict[str, bytes] = field(default_factory=dict)
    substituted: list[str] = field(default_factory=list)


def read_document(path: FilePath, sources: Sources) -> Document | None:
    """Return the file merged with what it includes, None where it cannot be read; problems are added to `sources`."""
    document = _read_one(path, sources, by=None)
    if document is None:
        return None
    if "include" in document.value:
        _include(document, document, (path.resolve(),), sources)
    return document


def _read_one(path: FilePath, sources: Sources, by: Mark | None) -> Document | None:
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not valid"
        mark = by or Mark(name, 1, 1)
        sources.problems.append(Problem(mark.file, mark.line, mark.column, f"{name} cannot be read: {reason}"))
        return None
    sources.files[name] = data
    document = parse(data, name, sources.problems)
    if document is None:
        return None
    document = interpolate(document, sources.environ, sources.problems)
    sources.substituted += [str(_value_at(document.value, path)) for path in document.texts]
    return document


def _include(merged: Document, document: Document, trail: tuple[FilePath, ...], sources: Sources) -> None:
    patterns = document.value.get("include", [])
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else [patterns]):
        if not isinstance(pattern, str):
            continue  # the schema says so
        path: Path = ("include", index) if isinstance(patterns, list) else ("include",)
        mark = document.value_mark(path)
        for found in _matches(pattern, document, mark, sources.problems):
            _include_one(merged, found, mark, trail, sources)


def _matches(pattern: str, document: Document, mark: Mark, problems: list[Problem]) -> list[FilePath]:
    folder = FilePath(document.file).parent
    if not pattern or "\0" in pattern or PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts:
        problems.append(
            Problem(
                mark.file, mark.line, mark.column, "include takes file names below this file's folder, without '..'"
            )
        )
        return []
    try:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, OSError, NotImplementedError) as error:
        problems.append(Problem(mark.file, mark.line, mark.column, f"include cannot be followed: {error}"))
        return []
    if not found:
        is_exact = not any(character in pattern for character in "*?[")
        message = f"include {document.show(('include',), pattern)} matches no file below {folder}"
        problems.append(Problem(mark.file, mark.line, mark.column, message, "error" if is_exact else "warning"))
    return found


def _include_one(merged: Document, path: FilePath, by: Mark, trail: tuple[FilePath, ...], sources: Sources) -> None:
    real = path.resolve()
    if real in trail:
        sources.problems.append(
            Problem(by.file, by.line, by.column, f"{path} includes itself{' by way of others' * (len(trail) > 1)}")
        )
        return
    if os.fspath(path) in sources.files:
        sources.problems.append(Problem(by.file, by.line, by.column, f"{path} is included twice; name it once"))
        return
    if len(sources.files) >= MAX_FILES:
        sources.problems.append(Problem(by.file, by.line, by.column, f"more than {MAX_FILES} files are included"))
        return
    document = _read_one(path, sources, by)
    if document is None:
        return
    _merge(merged, document, sources)
    _include(merged, document, (*trail, real), sources)


def _merge(merged: Document, document: Document, sources: Sources) -> None:
    """Add a file's top level to what there is: entries to maps, items to lists, anything else once in all files."""
    target: dict[str, Any] = merged.value
    moves: dict[Path, Path] = {}  # of the first one or two steps of a path
    for key, value in document.value.items():
        if key not in target:
            target[key] = value
            moves[(key,)] = (key,)
        elif key == "version":
            if value != target[key]:
                _refuse(merged, document, (key,), "another version", sources.problems)
        elif key in _LISTS and isinstance(value, list) and isinstance(target[key], list):
            moves |= {(key, index): (key, len(target[key]) + index) for index in range(len(value))}
            target[key] = target[key] + value
        elif key in _MAPS and isinstance(value, dict) and isinstance(target[key], dict):
            for name in [name for name in value if name in target[key]]:
                _refuse(merged, document, (key, name), f"'{name}'", sources.problems)
            added = {name: item for name, item in value.items() if name not in target[key]}
            moves |= {(key, name): (key, name) for name in added}
            target[key] = target[key] | added
        elif key != "include":
            _refuse(merged, document, (key,), f"'{key}'", sources.problems)
    _move(document, merged, moves)


def _refuse(merged: Document, document: Document, path: Path, what: str, problems: list[Problem]) -> None:
    mark, first = document.key_mark(path), merged.key_mark(path)
    message = f"{what} is already given at {first.file}:{first.line}; keep one"
    problems.append(Problem(mark.file, mark.line, mark.column, message))


def _move(source: Document, target: Document, moves: dict[Path, Path]) -> None:
    """Take over every place whose path begins with a key of `moves`, under the path it moved to."""
    for places, copies in zip(source.tables(), target.tables(), strict=True):
        for path, place in places.items():
            start = moves.get(path[:1]) or moves.get(path[:2])
            if start is not None:
                copies[(*start, *path[len(start) :])] = place


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value
