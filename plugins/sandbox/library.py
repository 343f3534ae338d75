"""Answers about the gateway out of its own documentation: the section that shares most words with the question."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gateway.errors

MIN_COVERAGE = 0.6  # of a question's words; less, and it is about something else
MAX_ANSWER_CHARS = 1200
FOLDERS = ("docs", "docs/clients", "docs/vendors")
LISTS = ("README", "command-reference")  # they name everything and explain nothing

_WORD = re.compile(r"[0-9_]*[a-z][a-z0-9_]*")  # a number alone is about nothing
_QUESTION = re.compile(r"\s*(how|what|which|where|when|who|why|can|does|do|is|are|will|should|tell me|explain)\b", re.I)
_COMMON = frozenset(
    _WORD.findall(
        "a about an and are as at be by can did do does explain for from have how i in is it its me my of on or our "
        "please should so tell that the their there this to us was we what when where which who why will with "
        "would you your"
    )
)


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    source: str
    text: str
    words: frozenset[str]


class Library:
    """The sections of the documentation, weighed by how rare their words are."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = tuple(sections)
        self._seen = Counter(word for section in sections for word in section.words)

    def answer(self, question: str) -> str | None:
        """Return the section that answers a question about the gateway, None for any other text."""
        if not (_QUESTION.match(question) or question.rstrip().endswith("?")):
            return None
        asked = frozenset(_words(question))
        fitting = [section for section in self._sections if _is_about(asked, section)]
        best = max(fitting, key=lambda section: self._score(asked, section), default=None)
        if best is None:
            return None
        return f"{_shortened(best.text)}\n\n({best.source}, “{best.title}”)"

    def _score(self, asked: frozenset[str], section: Section) -> float:
        titled = frozenset(_words(section.title))
        rarity = {word: math.log(1 + len(self._sections) / self._seen[word]) for word in asked & section.words}
        return sum(weight * (2 if word in titled else 1) for word, weight in rarity.items())


def find_documents() -> list[Path]:
    """Return README.md and the pages of docs/ of the clone or the installation that runs; none where there are none."""
    package = Path(gateway.errors.__file__).parent
    clone = package.parent
    root = package / "bundled" if (package / "bundled" / "docs").is_dir() else clone
    if root is clone and not (clone / "pyproject.toml").is_file():
        return []  # site-packages: what lies beside the package there is not ours
    pages = [path for folder in FOLDERS for path in sorted((root / folder).glob("*.md")) if path.stem not in LISTS]
    return [path for path in (root / "README.md", *pages) if path.is_file()]


def read_library(paths: Sequence[Path]) -> Library:
    """Read Markdown files. Blocks on the disk; raises OSError, UnicodeDecodeError."""
    return Library([section for path in paths for section in sections(path.read_text(encoding="utf-8"), path.name)])


def sections(markdown: str, source: str) -> Iterator[Section]:
    """Yield the parts of a Markdown text, each under its heading; headings inside code are none."""
    title, lines, is_code = source, [""], False
    for line in [*markdown.splitlines(), "# "]:
        is_code ^= line.startswith("```")
        if is_code or not line.startswith("#"):
            lines.append(line)
            continue
        text = "\n".join(lines).strip()
        if text:
            yield Section(title, source, text, frozenset(_words(f"{title} {text}")))
        title, lines = line.lstrip("#").strip(), []


def _is_about(asked: frozenset[str], section: Section) -> bool:
    """One shared word is chance, unless it is in the section's title."""
    if len(asked) == 1:
        return bool(asked & frozenset(_words(section.title)))
    shared = asked & section.words
    return len(shared) >= 2 and len(shared) >= MIN_COVERAGE * len(asked)


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.lower()):
        if word in _COMMON:
            continue
        yield word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _shortened(text: str) -> str:
    """Return whole paragraphs, as many as fit, or the start of a first one that does not."""
    if len(text) <= MAX_ANSWER_CHARS:
        return text
    end = text.rfind("\n\n", 0, MAX_ANSWER_CHARS)
    return text[:end] if end > 0 else text[:MAX_ANSWER_CHARS] + " …"
