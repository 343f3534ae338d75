"""Every link of a page leads to a file and a heading that are there, and every file that is named is there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.page import pages
from tests.harness import ROOT

PAGES = [*pages(), ROOT / "CHANGELOG.md"]
MADE = {"deploy/compose/secrets/"}  # by who follows the page
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """Return a page without its blocks and code."""
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return what may stand behind `#`, as the usual renderers make it of headings."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue  # what others have there is theirs
        goal, _, anchor = link.partition("#")
        path = (page.parent / goal).resolve() if goal else page
        assert path.exists(), f"{link}: there is no such file"
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(path), f"{link}: it has {sorted(anchors(path))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    for name in re.findall(r"`((?:tests|gateway|scripts|deploy|benchmarks|schemas)/[\w./-]*)`", page.read_text()):
        assert name in MADE or (ROOT / name).exists(), name


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = ROOT / "docs" / "README.md"
    linked = {(contents.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(contents))}
    listed = {page for page in pages() if page.is_relative_to(contents.parent) and "decisions" not in page.parts}
    assert listed - {contents} - linked == set()


def test_a_heading_that_is_not_there_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Calls at once\n\n```sh\n# no heading\n```\n\n## `x`, and [y](z.md)\n")
    assert anchors(page) == {"calls-at-once", "x-and-y"}
