"""A small part of regular expressions: enough to write a text that matches, and to check one in bounded time.

Known: literals, `.`, classes, \\d \\w \\s and their opposites, groups, `|`, `* + ? {m,n}`, `^`, `$`. Python's `re` is
not asked: a pattern comes from a client, and some take it exponential time.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

MAX_TEXT_CHARS = 4096
MAX_PATTERN_CHARS = 1000
MAX_STEPS = 100_000  # positions looked at for one text: some ten milliseconds
MAX_GROUP_DEPTH = 20


class TooHard(ValueError):
    """The pattern uses something that is not known here, or needs a text too long."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One character out of ranges, or outside all of them."""

    ranges: tuple[tuple[str, str], ...]
    is_negated: bool = False

    def holds(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.is_negated


@dataclass(frozen=True, slots=True)
class Edge:
    """`^` or `$`."""

    is_start: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    item: Node
    least: int
    most: int | None


Node = OneOf | Edge | Sequence | Choice | Repeat
Positions = AbstractSet[int]

_DIGITS = (("0", "9"),)
_WORD = (("a", "z"), ("0", "9"), ("A", "Z"), ("_", "_"))
_SPACE = ((" ", " "), ("\t", "\r"))
_ESCAPED = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_BOUNDS = re.compile(r"\{(\d{1,6})(,(\d{1,6})?)?\}")
_NICEST = "aA0 -_.x~\u00e9"


def parse(pattern: str) -> Node:
    """Return the pattern as a tree. Raises TooHard."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise TooHard(f"a pattern of more than {MAX_PATTERN_CHARS} characters")
    node, at = _choice(pattern, 0, 0)
    if at < len(pattern):
        raise TooHard(f"an unbalanced '{pattern[at]}' in the pattern {pattern!r}")
    return node


def sample(node: Node, extra: int = 0) -> str:
    """Return a text that the tree matches, each repetition `extra` times more often than it must. Raises TooHard."""
    if isinstance(node, Edge):
        return ""
    if isinstance(node, OneOf):
        return _character(node)
    if isinstance(node, Choice):
        return sample(node.options[0], extra)
    if isinstance(node, Sequence):
        text = "".join(sample(item, extra) for item in node.items)
        times = 1
    else:
        text = sample(node.item, extra)
        times = node.least + extra if node.most is None else min(node.least + extra, node.most)
    if len(text) * times > MAX_TEXT_CHARS:
        raise TooHard(f"a text of more than {MAX_TEXT_CHARS} characters")
    return text * times


def found(node: Node, text: str) -> bool:
    """Say whether the tree matches anywhere in `text`. Raises TooHard."""
    if len(text) > MAX_TEXT_CHARS:
        raise TooHard(f"a pattern for a text of more than {MAX_TEXT_CHARS} characters")
    return bool(_Match(text).ends(node, frozenset(range(len(text) + 1))))


class _Match:
    """Follows all ways to match at once, as the set of positions reached: ways are many, positions few."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._steps_left = MAX_STEPS

    def ends(self, node: Node, starts: Positions) -> Positions:
        """Return where matches that begin at any of `starts` may end."""
        self._steps_left -= len(starts) + 1
        if self._steps_left < 0:
            raise TooHard("a pattern that takes so long to check")
        if isinstance(node, OneOf):
            return {at + 1 for at in starts if at < len(self._text) and node.holds(self._text[at])}
        if isinstance(node, Edge):
            return starts & {0 if node.is_start else len(self._text)}
        if isinstance(node, Choice):
            return frozenset().union(*(self.ends(option, starts) for option in node.options))
        if isinstance(node, Repeat):
            return self._repeated(node, starts)
        for item in node.items:
            starts = self.ends(item, starts)
        return starts

    def _repeated(self, node: Repeat, starts: Positions) -> Positions:
        for _ in range(node.least):
            following = self.ends(node.item, starts)
            if following == starts:
                break
            starts = following
        reached, times = starts, node.least
        while starts and (node.most is None or times < node.most):
            starts = self.ends(node.item, starts) - reached
            reached = reached | starts
            times += 1
        return reached


def _character(node: OneOf) -> str:
    firsts = "".join(low for low, _ in node.ranges)
    for character in firsts if not node.is_negated else _NICEST:
        if node.holds(character):
            return character
    raise TooHard("a class of characters that leaves none of the usual ones")


def _choice(pattern: str, at: int, depth: int) -> tuple[Node, int]:
    if depth > MAX_GROUP_DEPTH:
        raise TooHard(f"groups nested more than {MAX_GROUP_DEPTH} deep")
    options: list[Node] = []
    while True:
        items: list[Node] = []
        while at < len(pattern) and pattern[at] not in "|)":
            item, at = _atom(pattern, at, depth)
            item, at = _repetition(pattern, at, item)
            items.append(item)
        options.append(Sequence(tuple(items)))
        if at == len(pattern) or pattern[at] == ")":
            return (Choice(tuple(options)) if len(options) > 1 else options[0]), at
        at += 1


def _atom(pattern: str, at: int, depth: int) -> tuple[Node, int]:
    character = pattern[at]
    if character == "(":
        at += 3 if pattern.startswith("(?:", at) else 1
        if pattern[at : at + 1] == "?":
            raise TooHard(f"the group '{pattern[at - 1 : at + 2]}' in the pattern {pattern!r}")
        node, at = _choice(pattern, at, depth + 1)
        if at == len(pattern):
            raise TooHard(f"a group without an end in the pattern {pattern!r}")
        return node, at + 1
    if character == "[":
        return _class(pattern, at + 1)
    if character in "^$":
        return Edge(character == "^"), at + 1
    if character == ".":
        return OneOf((("\n", "\n"),), is_negated=True), at + 1
    if character in "*+?":
        raise TooHard(f"a '{character}' that repeats nothing in the pattern {pattern!r}")
    ranges, is_negated, at = _literal(pattern, at)
    return OneOf(ranges, is_negated), at


def _repetition(pattern: str, at: int, item: Node) -> tuple[Node, int]:
    bounds = _BOUNDS.match(pattern, at)
    if bounds is not None:
        least = int(bounds[1])
        most = least if bounds[2] is None else None if bounds[3] is None else int(bounds[3])
        at = bounds.end()
    elif pattern[at : at + 1] in ("*", "+", "?"):
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[pattern[at]]
        at += 1
    else:
        return item, at
    if pattern[at : at + 1] == "?":  # as little as possible: the same texts match
        at += 1
    if pattern[at : at + 1] in ("+", "*") or (most is not None and most < least):
        raise TooHard(f"the repetition before position {at} of the pattern {pattern!r}")
    return Repeat(item, least, most), at


def _class(pattern: str, at: int) -> tuple[Node, int]:
    is_negated = pattern[at : at + 1] == "^"
    at += is_negated
    ranges: list[tuple[str, str]] = []
    first = at
    while at < len(pattern) and (pattern[at] != "]" or at == first):
        low, is_opposite, at = _literal(pattern, at)
        if is_opposite:
            raise TooHard(f"an opposite inside a class of the pattern {pattern!r}")
        if len(low) == 1 and low[0][0] == low[0][1] and pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] != "]":
            high, _, at = _literal(pattern, at + 1)
            low = ((low[0][0], high[0][1]),)
        ranges += low
    if at >= len(pattern) or any(low > high for low, high in ranges):
        raise TooHard(f"a broken class in the pattern {pattern!r}")
    return OneOf(tuple(ranges), is_negated), at + 1


def _literal(pattern: str, at: int) -> tuple[tuple[tuple[str, str], ...], bool, int]:
    """Return the ranges of one literal or escape, whether it means the opposite, and where it ends."""
    character = pattern[at : at + 1]
    if character != "\\":
        if not character:
            raise TooHard(f"an early end of the pattern {pattern!r}")
        return ((character, character),), False, at + 1
    escape = pattern[at + 1 : at + 2]
    if escape.lower() in _ESCAPED:
        return _ESCAPED[escape.lower()], escape.isupper(), at + 2
    if not escape or (escape.isalnum() and escape not in _CONTROLS):
        raise TooHard(f"the escape '\\{escape}' in the pattern {pattern!r}")
    literal = _CONTROLS.get(escape, escape)
    return ((literal, literal),), False, at + 2
