"""What was measured, as lines for a terminal and as sections of RESULTS.md, each beside its goal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.rig.stats import Spread, spread

BEGIN = "<!-- begin {name} -->"
END = "<!-- end {name} -->"


@dataclass(frozen=True, slots=True)
class Goal:
    bound: Literal["<=", ">="]
    limit: float

    def is_kept(self, value: float) -> bool:
        return value <= self.limit if self.bound == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.bound == '<=' else '≥'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    value: Spread
    unit: str = ""
    goal: Goal | None = None

    @property
    def is_kept(self) -> bool:
        return self.goal is None or self.goal.is_kept(self.value.median)

    @property
    def verdict(self) -> str:
        return "" if self.goal is None else "kept" if self.is_kept else "NOT KEPT"

    def cells(self) -> tuple[str, str, str, str]:
        """Return name, median with its unit, quartiles, goal with its verdict."""
        unit = f" {self.unit}" if self.unit else ""
        quartiles = f"{number(self.value.low)} – {number(self.value.high)}" if self.value.rounds > 1 else ""
        goal = f"{self.goal}{unit}: {self.verdict}" if self.goal else ""
        return self.name, number(self.value.median) + unit, quartiles, goal


@dataclass(frozen=True, slots=True)
class Section:
    """What one scenario gave."""

    name: str
    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    has_failed: bool = False  # what prints its lines itself says so by its exit code

    @property
    def is_kept(self) -> bool:
        return not self.has_failed and all(row.is_kept for row in self.rows)


def row(name: str, values: Sequence[float], unit: str = "", goal: Goal | None = None) -> Row:
    """Return a row of one value a round."""
    return Row(name, spread(values), unit, goal)


def number(value: float) -> str:
    """Return a number with three figures that say something, and thousands apart."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 or size == 0 else f"{value:.3f}"


def as_text(section: Section) -> str:
    """Return it as lines with columns."""
    lines = [section.title]
    for one in section.rows:
        name, median, quartiles, goal = one.cells()
        lines.append(f"  {name:<58}{median:>16}  {quartiles:<22}{goal}".rstrip())
    lines += [f"  {note}" for note in section.notes]
    return "\n".join(lines)


def as_markdown(section: Section, conditions: str) -> str:
    """Return it as a part of RESULTS.md, with what says how it was measured."""
    lines = [f"## {section.title}", "", conditions, ""]
    if section.rows:
        lines += ["| what | median | quartiles | goal |", "|---|---:|---:|---|"]
        lines += [f"| {' | '.join(one.cells())} |" for one in section.rows]
    if section.notes:
        lines += ["", *(f"- {note}" for note in section.notes)]
    return "\n".join(lines)


def put_section(page: str, name: str, text: str, order: Sequence[str]) -> str:
    """Return the page with this section for the one of that name; the others stay, and all are in `order`."""
    sections = {found[1]: found[2] for found in _sections(page)}
    sections[name] = text
    head = page.split("<!-- begin ", 1)[0].rstrip()
    known = [*order, *(other for other in sections if other not in order)]
    parts = [
        f"{BEGIN.format(name=one)}\n{sections[one].strip()}\n{END.format(name=one)}" for one in known if one in sections
    ]
    return "\n\n".join([head, *parts]) + "\n"


def _sections(page: str) -> list[re.Match[str]]:
    return list(re.finditer(r"<!-- begin (\S+) -->\n(.*?)\n<!-- end \1 -->", page, re.DOTALL))
