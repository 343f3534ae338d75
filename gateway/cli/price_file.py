"""prices.yaml changed by line: the rows of some sections, their source and day; every other line stays as it is."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.price_data import PriceData
from gateway.cli.price_rows import Row, as_of, row_of, written
from gateway.config.document import Document
from gateway.config.document import Path as Place

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}", re.ASCII)  # of a model, as the schema has it


class UnwritableFile(Exception):
    """The file's layout is none in which one row can be changed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an update changes in one section. A row is added where `old` is None and removed where `new` is."""

    section: str
    rows: tuple[tuple[str, Row | None, Row | None], ...]  # (model, old, new), by name
    left_out: tuple[str, ...]  # models of the data whose price cannot be said here


def differences(document: Document, data: PriceData, today: str) -> list[Difference]:
    """Compare the sections that name a `data_id` with the data. Raises UnwritableFile where the data has no such id."""
    found = []
    for name, section in document.value["sections"].items():
        if "data_id" not in section:
            continue
        if section["data_id"] not in data.vendors:
            raise UnwritableFile(
                f"section '{name}' has data_id '{section['data_id']}', which {data.source} does not know"
            )
        taken = {
            model: row_of(row.get("prices"), today)
            for model, row in data.vendors[section["data_id"]].items()
            if NAME.fullmatch(model) and _is_taken(model, section.get("take"))
        }
        old = {model: as_of(row, today) for model, row in section["models"].items()}
        rows = tuple(
            (model, old.get(model), taken.get(model))
            for model in sorted(old.keys() | taken.keys())
            if old.get(model) != taken.get(model)
        )
        found.append(Difference(name, rows, tuple(sorted(model for model, row in taken.items() if row is None))))
    return found


def changed(text: str, document: Document, found: list[Difference], source: str, today: str) -> str:
    """Return the file with the differences in it, and source and day of each section that was compared.

    Raises UnwritableFile where a key does not stand on a line of its own.
    """
    lines = text.split("\n")
    edits: list[tuple[int, int, list[str]]] = []  # (first line, lines to drop, lines to put there), counted from 0
    for one in found:
        place: Place = ("sections", one.section)
        for key, value in (("source", f'"{source}"'), ("date", today)):
            edits.append(_edit(document, lines, (*place, key), f"{key}: {value}"))
        old = document.value["sections"][one.section]["models"]
        for model, _, new in one.rows:
            if model in old:
                row = None if new is None else f"{model}: {written(new)}"
                edits.append(_edit(document, lines, (*place, "models", model), row))
        added = [f"{model}: {written(new)}" for model, _, new in one.rows if model not in old and new is not None]
        if added or all(model in {name for name, _, new in one.rows if new is None} for model in old):
            edits += _additions(document, lines, (*place, "models"), added, old)
    for first, dropped, put in sorted(edits, key=lambda edit: edit[0], reverse=True):
        lines[first : first + dropped] = put
    return "\n".join(lines)


def write_atomically(path: Path, text: str) -> None:
    """Put the text in the file's place at once: a reader sees the old one or the new one. Raises OSError."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path.resolve())
    except BaseException:
        os.unlink(name)
        raise


def _is_taken(model: str, patterns: list[str] | None) -> bool:
    if patterns is None:
        return True
    return any(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), model) for pattern in patterns)


def _additions(
    document: Document, lines: list[str], place: Place, added: list[str], old: Mapping[str, object]
) -> list[tuple[int, int, list[str]]]:
    """Put rows behind the last one; where none is left, `models` says that it is empty, or begins anew."""
    first = document.key_mark(place).line - 1
    _check_own_line(document, lines, place)
    indent = " " * (document.key_mark(place).column - 1)
    if not old:
        return [(first, 1, [f"{indent}models:", *(f"{indent}  {row}" for row in added)])] if added else []
    if not added:
        return [(first, 1, [f"{indent}models: {{}}"])]
    last = (*place, max(old, key=lambda name: document.key_mark((*place, name)).line))
    column = document.key_mark(last).column - 1
    return [(_last_line(document, lines, last), 0, [" " * column + row for row in added])]


def _edit(document: Document, lines: list[str], place: Place, put: str | None) -> tuple[int, int, list[str]]:
    """Replace the lines of one key and its value, or drop them."""
    _check_own_line(document, lines, place)
    mark = document.key_mark(place)
    return (
        mark.line - 1,
        _last_line(document, lines, place) - mark.line + 1,
        [] if put is None else [" " * (mark.column - 1) + put],
    )


def _check_own_line(document: Document, lines: list[str], place: Place) -> None:
    mark = document.key_mark(place)
    if lines[mark.line - 1][: mark.column - 1].strip():
        raise UnwritableFile(
            f"{mark.file}:{mark.line}: {place[-1]} does not begin its line; give each key its own line"
        )


def _last_line(document: Document, lines: list[str], place: Place) -> int:
    """Return the last line of a value. That of a block is the last of what is in it: its own mark ends further down."""
    mark = document.value_mark(place)
    inner = [path for path in document.values if path[: len(place)] == place and len(path) == len(place) + 1]
    if not inner or lines[mark.line - 1][mark.column - 1 : mark.column] in ("{", "["):
        return mark.end_line or mark.line
    return max(_last_line(document, lines, path) for path in inner)
