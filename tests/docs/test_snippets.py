"""Every block of every page runs, from top to bottom, or says why it cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import runner
from tests.docs.forking import CLIENT
from tests.docs.page import Snippet, pages, snippets
from tests.docs.reader import Reader
from tests.harness import ROOT
from tests.test_project import name_of

MAX_NOT_RUN = 20  # of some two hundred; whoever raises it has a reason

# Examples have folders, vendors and browsers of their own: tests/examples/ types each line of theirs.
PAGES = {page: snippets(page) for page in pages() if not page.is_relative_to(ROOT / "examples")}
RUN = [
    pytest.param(page, marks=pytest.mark.slow if "from google import" in page.read_text() else (), id=name_of(page))
    for page, found in PAGES.items()
    if any(snippet.is_run for snippet in found)
]
ALL = [snippet for found in PAGES.values() for snippet in found]


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `gateway` and `python`, to stand first on the path."""
    folder = tmp_path_factory.mktemp("bin")
    address = str(folder / "socket")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.docs.forking", address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    (folder / "gateway").write_text(CLIENT.format(python=Path(sys.executable).resolve(), address=address))
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for name in ("gateway", "python"):
        (folder / name).chmod(0o755)
    yield folder
    os.killpg(server.pid, signal.SIGKILL)  # with what a page has left running
    server.wait()
    server.stdout.close()


@pytest.mark.parametrize("page", RUN)
async def test_who_follows_a_page_meets_no_step_that_fails(page: Path, commands: Path, tmp_path: Path) -> None:
    async with Reader(tmp_path / "reader", commands) as reader:
        await runner.read(PAGES[page], reader)


def test_few_blocks_cannot_run() -> None:
    silent = [f"{snippet}: {snippet.told}" for snippet in ALL if snippet.told.startswith("not run: ")]
    assert len(silent) <= MAX_NOT_RUN, "\n".join(silent)


@pytest.mark.parametrize("snippet", [found for found in ALL if found.told.startswith("tested in ")], ids=str)
def test_what_another_test_runs_is_named_there(snippet: Snippet) -> None:
    test = ROOT / snippet.told.removeprefix("tested in ")
    assert snippet.page.name in test.read_text()
