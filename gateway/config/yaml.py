"""Read YAML as plain JSON values with their places; what YAML 1.1 would guess (`on`, `12:30`, dates) stays text."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from gateway.config.document import Document, Mark, Path
from gateway.errors import Problem

MAX_FILE_BYTES = 1_048_576  # some 20,000 routes; beyond that it is not a file that people edit
MAX_DEPTH = 64
MAX_NODES = 200_000  # counted after aliases are expanded, so that nine lines cannot become a billion values

# A byte order mark, tabs and line feeds are fine; NEL and the Unicode line ends would make our line numbers differ.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_WORDS = {"true": True, "false": False, "null": None, "": None}
_MAX_INTEGER = 2**63 - 1

_REMEDIES = {  # what libyaml says -> what to do about it
    "mapping values are not allowed in this context": "a value with ': ' in it needs quotes",
    "could not find expected ':'": "a key needs ': ' after it, and a text over several lines needs quotes",
    "did not find expected key": "check that this line is indented like its neighbours",
    "did not find expected '-' indicator": "check that this line is indented like its neighbours",
    "found unexpected end of stream": "a quote is not closed",
    "did not find expected ',' or ']'": "a '[' is not closed, or a text that holds brackets needs quotes",
    "did not find expected ',' or '}'": "a '{' is not closed, or a text that holds braces needs quotes",
}


@dataclass(slots=True)
class _Node:
    """A scalar's text, a mapping's pairs or a sequence's items. Not frozen: pairs are filled while they are read."""

    mark: Mark
    text: str | None = None
    is_plain: bool = False
    pairs: list[tuple[str, Mark, _Node]] | None = None
    items: list[_Node] | None = None


class _Refused(Exception):
    """The file cannot be read any further."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark


def parse(data: bytes, file: str, problems: list[Problem]) -> Document | None:
    """Return the document in `data`, or None where it cannot be read; either way what is wrong is in `problems`."""
    try:
        text = _decode(data, file)
        root = _Composer(text, file, problems).compose()
        if root.pairs is None:
            raise _Refused(root.mark, f"the top level has to be a mapping (version: 1, …), this is {_kind(root)}")
        return _Flattener(file, problems).flatten(root)
    except _Refused as error:
        problems.append(_problem(error.mark, str(error)))
    except yaml.YAMLError as error:
        problems.append(_syntax_problem(error, file))
    return None


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise _Refused(
            Mark(file, 1, 1), f"the file has {len(data)} bytes, {MAX_FILE_BYTES} are read; split it with include:"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        mark = Mark(file, before.count(b"\n") + 1, column)
        raise _Refused(mark, f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8") from None
    text = text.replace("\r\n", "\n")
    if found := _FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        mark = Mark(file, line, found.start() - text.rfind("\n", 0, found.start()))
        raise _Refused(
            mark, f"the control character U+{ord(found[0]):04X} is not allowed; remove it or write it as an escape"
        )
    return text


class _Composer:
    """Events to nodes: what a single pass can refuse is refused here."""

    def __init__(self, text: str, file: str, problems: list[Problem]) -> None:
        self._next = yaml.CSafeLoader(text).get_event
        self._file = file
        self._problems = problems
        self._anchors: dict[str, _Node] = {}

    def compose(self) -> _Node:
        """Return the root. Raises _Refused and yaml.YAMLError."""
        self._next()  # the stream's start
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise _Refused(Mark(self._file, 1, 1), "the file is empty; it needs at least 'version: 1'")
        root = self._node(self._next(), 1)
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _Refused(
                self._mark(event), "a second document begins here; a file holds one ('include:' takes more files)"
            )
        return root

    def _node(self, event: Any, depth: int) -> _Node:
        mark = self._mark(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _Refused(mark, f"the alias *{event.anchor} has no anchor &{event.anchor} before it")
            return self._anchors[event.anchor]
        if depth > MAX_DEPTH:
            raise _Refused(mark, f"nested more than {MAX_DEPTH} levels deep")
        if event.tag is not None:
            self._problems.append(
                _problem(mark, f"the tag {event.tag} is not supported; quote a value to make it text")
            )
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(mark, text=event.value, is_plain=event.style is None or event.style == "")
        elif isinstance(event, yaml.SequenceStartEvent):
            node = _Node(mark, items=self._items(depth))
        else:
            node = _Node(mark, pairs=self._pairs(depth))
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _items(self, depth: int) -> list[_Node]:
        items = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _pairs(self, depth: int) -> list[tuple[str, Mark, _Node]]:
        pairs: dict[str, tuple[str, Mark, _Node]] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            mark = self._mark(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _Refused(mark, "a key has to be plain text")
            key = event.value
            value = self._node(self._next(), depth + 1)
            if key == "<<" and not event.style:
                self._problems.append(
                    _problem(mark, "merge keys (<<) are not supported; write the keys out, or use 'defaults'")
                )
            elif key == "":
                self._problems.append(_problem(mark, "a key is empty"))
            elif key in pairs:
                first = pairs[key][1]
                self._problems.append(_problem(mark, f"'{key}' is here twice, first on line {first.line}; keep one"))
            else:
                pairs[key] = (key, mark, value)
        return list(pairs.values())

    def _mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        return Mark(self._file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


class _Flattener:
    """Nodes to plain values, aliases expanded, every place noted under its path."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._document = Document(file, None)
        self._problems = problems
        self._count = 0

    def flatten(self, root: _Node) -> Document:
        value = self._value(root, ())
        return Document(self._document.file, value, self._document.keys, self._document.values)

    def _value(self, node: _Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise _Refused(node.mark, f"more than {MAX_NODES} values once aliases are expanded")
        if len(path) > MAX_DEPTH:
            raise _Refused(node.mark, f"nested more than {MAX_DEPTH} levels deep once aliases are expanded")
        self._document.values[path] = node.mark
        if node.pairs is not None:
            return {key: self._entry(mark, value, (*path, key)) for key, mark, value in node.pairs}
        if node.items is not None:
            return [self._value(item, (*path, index)) for index, item in enumerate(node.items)]
        return self._scalar(node)

    def _entry(self, mark: Mark, node: _Node, path: Path) -> Any:
        self._document.keys[path] = mark
        return self._value(node, path)

    def _scalar(self, node: _Node) -> str | int | float | bool | None:
        text = node.text or ""
        if not node.is_plain:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if not _NUMBER.match(text):
            return text
        number = int(text) if _INTEGER.match(text) and len(text) <= 20 else float(text)
        if math.isfinite(number) and abs(number) <= _MAX_INTEGER:
            return number
        self._problems.append(_problem(node.mark, "the number is out of range; quote it if it is meant as text"))
        return text


def _kind(node: _Node) -> str:
    return "a list" if node.items is not None else "a single value"


def _problem(mark: Mark, message: str) -> Problem:
    return Problem(mark.file, mark.line, mark.column, message)


def _syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    remedy = _REMEDIES.get(said)
    if said == "found character that cannot start any token":
        remedy = "indent with spaces, not tabs; a value that begins with @ ` % or a tab needs quotes"
    return Problem(file, line, column, f"this is not YAML: {said}" + (f" ({remedy})" if remedy else ""))
