"""Which questions the documentation answers, and with which section."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.sandbox.library import find_documents, read_library, sections

GUIDE = """Intro.

# Failover
A route tries the targets of a model in order; `failover.attempts` bounds them.

## Cache
Answers are kept for `ttl_s` seconds.

```sh
# not a heading
curl localhost
```
"""


def test_headings_make_sections_and_code_does_not() -> None:
    found = list(sections(GUIDE, "guide.md"))
    assert [section.title for section in found] == ["guide.md", "Failover", "Cache"]
    assert "# not a heading" in found[2].text


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("How does failover try targets?", "A route tries"),
        ("What is failover?", "A route tries"),
        ("how many seconds are answers kept", "Answers are kept"),
        ("What is a whale?", None),
        ("Failover tries targets.", None),
        ("How many whales try targets in the ocean?", None),
        ("?", None),
    ],
)
def test_a_question_gets_the_section_that_shares_its_words(question: str, start: str | None, tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text(GUIDE)
    answer = read_library([tmp_path / "guide.md"]).answer(question)
    assert (answer is None) if start is None else (answer or "").startswith(start)


def test_a_long_section_is_shortened_at_a_paragraph(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("# Ledger rows\n" + ("word " * 100 + "\n\n") * 5)
    answer = read_library([tmp_path / "long.md"]).answer("What are ledger rows?") or ""
    assert len(answer) < 1300
    assert answer.endswith("(long.md, “Ledger rows”)")


def test_no_documents_no_answer() -> None:
    assert read_library([]).answer("What is a route?") is None


def test_the_documents_of_the_clone_are_found() -> None:
    assert "sandbox.md" in [path.name for path in find_documents()]
