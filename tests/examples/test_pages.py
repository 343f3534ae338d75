"""The examples' pages say what is there, and each brings the versions that it was tested with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.examples.pages import EXAMPLES, NAMES, lines_of
from tests.harness import ROOT

PAGES = [EXAMPLES / "README.md", *(EXAMPLES / name / "README.md" for name in NAMES)]
INSTALL = "pip install -r requirements.txt"
START = "ALLOWED_ORIGINS=http://127.0.0.1:8080 make run"  # tests start the same gateway on a free port
PACKAGES = sorted(EXAMPLES.glob("*/package.json"))


def test_every_folder_has_a_page_and_stands_in_the_index() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    listed = set(re.findall(r"\]\(([\w-]+)/\)", (EXAMPLES / "README.md").read_text()))
    assert len(NAMES) == 12
    assert folders == set(NAMES) == listed


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_page_is_typed_by_a_test(name: str) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    lines = lines_of(name)
    assert lines
    for line in lines:
        # Those of curl are typed one after the other; what pip would install is what tests run on.
        elsewhere = line.startswith("curl ") or line in (INSTALL, START)
        assert elsewhere or f'"{line}"' in tests, f"no test types {line!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_link_of_a_page_leads_somewhere(page) -> None:  # type: ignore[no-untyped-def]
    for goal in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / goal).exists(), goal


def test_python_examples_name_the_versions_that_tests_ran_on() -> None:
    locked = re.findall(r"^[\w.-]+==[\w.]+", (ROOT / "requirements" / "test.txt").read_text(), re.MULTILINE)
    files = sorted(EXAMPLES.glob("*/requirements.txt"))
    assert len(files) == 5
    for file in files:
        assert set(file.read_text().split()) <= set(locked), file


@pytest.mark.parametrize("file", PACKAGES, ids=lambda file: file.parent.name)
def test_javascript_examples_name_versions_exactly_and_no_address(file) -> None:  # type: ignore[no-untyped-def]
    wanted = json.loads(file.read_text())["dependencies"]
    lock = json.loads((file.parent / "package-lock.json").read_text())["packages"]
    assert lock[""]["dependencies"] == wanted
    for name, version in wanted.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    for name, package in lock.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"], name
