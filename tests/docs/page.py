"""A page of the documentation as the runner sees it: its fenced blocks, each with what a comment before it says.

    <!-- snippet: fails -->
    ```sh
    curl http://127.0.0.1:8001/nowhere
    ```

| the comment says | the block |
|---|---|
| nothing | is run by its language: see runner.py |
| `fails` | is run, and its last command has to fail |
| `file NAME` | is written to NAME in the reader's folder |
| `apply` | YAML: goes into the files of the folder where the reader is |
| `tested in tests/NAME.py` | is run by that test, which names the page |
| `not run: REASON` | cannot run here |
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.harness import ROOT

FENCE = re.compile(r"^( *)```([\w-]*)\s*$")
COMMENT = re.compile(r"^ *<!-- snippet: (.*?) -->$")
TOLD = re.compile(r"fails|apply|file \S+|tested in tests/\S+\.py|not run: .{15,}")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fenced block; `text` without the indentation of the fence."""

    page: Path
    line: int
    language: str
    text: str
    told: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return not self.told.startswith(("tested in ", "not run: "))

    @property
    def file(self) -> str | None:
        """The file that it is, of the reader's folder: said by the comment or by its own first line."""
        if self.told.startswith("file "):
            return self.told.removeprefix("file ")
        named = re.match(r"# ((?:[\w.-]+/)*[\w.-]+\.(?:py|yaml))\n", self.text)
        return named[1] if named and ("/" in named[1] or "\nversion: 1\n" in self.text) else None


def pages() -> list[Path]:
    """Return every page that people read: README and its like, docs/ and the examples; the changelog is a record."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(page for page in found if page.name != "CHANGELOG.md")


def snippets(page: Path) -> list[Snippet]:
    """Return a page's blocks from top to bottom; ValueError where a comment is not one of the above or stands alone."""
    found: list[Snippet] = []
    told = ""
    opened: tuple[int, str] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if opened is not None:
            if fence and not fence[2]:
                start, language = opened
                found.append(Snippet(page, start, language, textwrap.dedent("\n".join([*lines, ""])), told))
                opened, lines, told = None, [], ""
            else:
                lines.append(line)
        elif fence:
            opened = (number, fence[2])
        elif said := COMMENT.match(line):
            told = said[1]
            if not TOLD.fullmatch(told):
                raise ValueError(f"{page.name}:{number}: {told!r} is nothing that a comment before a snippet says")
        elif line.strip() and told:
            raise ValueError(f"{page.name}:{number}: a comment for a snippet, and no snippet")
    if opened is not None:
        raise ValueError(f"{page.name}:{opened[0]}: is never closed")
    return found
