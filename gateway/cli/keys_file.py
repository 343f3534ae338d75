"""Files of keys: JSON lines, a JSON array or CSV, each row with the line on which it begins."""

from __future__ import annotations

import csv
import json as stdlib_json  # the one that says where a value ends
from collections.abc import Iterator
from io import StringIO
from typing import Any

from gateway import json
from gateway.cli.key_words import limits_from, tags_from
from gateway.stores.keys.terms import TermFault

FORMATS = {".jsonl": "lines", ".ndjson": "lines", ".json": "json", ".csv": "csv"}
BETWEEN = ";"  # the items of one cell

_LISTS = ("routes", "operations", "models", "providers")
_SPACE = " \t\r\n"


class RowFault(Exception):
    """A row that is none; the message says why."""


Row = tuple[int, dict[str, Any] | RowFault]


def read_rows(text: str, form: str | None) -> Iterator[Row]:
    """Yield each row with its line; `form` is one of FORMATS, None: told from how the text begins."""
    first = text.lstrip(_SPACE)[:1]
    if form == "csv" or (form is None and first not in ("[", "{")):
        return _from_csv(text)
    return _from_array(text) if first == "[" else _from_lines(text)


def _from_lines(text: str) -> Iterator[Row]:
    for line, written in enumerate(text.split("\n"), 1):
        if written.strip():
            try:
                yield line, _mapping(json.loads(written))
            except ValueError:
                yield line, RowFault("is no JSON; a line is one object")


def _from_array(text: str) -> Iterator[Row]:
    decoder = stdlib_json.JSONDecoder()
    at, line, counted = text.index("[") + 1, 1, 0
    sign = ","
    while sign == ",":
        at = _skip(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] == "]":  # an empty list, or a comma behind the last
            break
        try:
            value, at = decoder.raw_decode(text, at)
            found = json.loads(json.dumps(value))  # what our own codec refuses is no JSON here either
        except (ValueError, TypeError, RecursionError):
            yield line, RowFault("is no JSON from here on")
            return
        yield line, _mapping(found)
        at = _skip(text, at)
        sign = text[at : at + 1]
        at += 1
    if sign not in (",", "]"):
        yield line, RowFault("is not followed by ',' or ']'")


def _from_csv(text: str) -> Iterator[Row]:
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    names: list[str] | None = None
    begins = 1
    try:
        for cells in rows:
            line, begins = begins, rows.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
            else:
                yield line, _from_cells(names, cells)
    except csv.Error as error:
        yield begins, RowFault(f"is no CSV: {error}")


def _from_cells(names: list[str], cells: list[str]) -> dict[str, Any] | RowFault:
    """Return what a row says; an empty cell says nothing."""
    if len(cells) > len(names):
        return RowFault(f"has {len(cells)} cells, the first line has {len(names)}")
    row: dict[str, Any] = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
    for name in _LISTS:
        if name in row:
            row[name] = _items(row[name])
    try:
        if "limits" in row:
            row["limits"] = limits_from(_items(row["limits"]))
        if "tags" in row:
            row["tags"] = tags_from(_items(row["tags"]))
    except TermFault as error:
        return RowFault(str(error))
    return row


def _items(cell: str) -> list[str]:
    return [item.strip() for item in cell.split(BETWEEN) if item.strip()]


def _mapping(value: Any) -> dict[str, Any] | RowFault:
    return value if isinstance(value, dict) else RowFault('is no object; a key is {"name": …, "sha256": …}')


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in tuple(_SPACE):
        at += 1
    return at
