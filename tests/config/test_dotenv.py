from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.dotenv import MAX_FILE_BYTES, read_dotenv, with_dotenv
from gateway.errors import Problem
from tests.config.folder import Setup


def read(tmp_path: Path, text: str) -> tuple[dict[str, str], list[Problem]]:
    problems: list[Problem] = []
    (tmp_path / ".env").write_text(text)
    return read_dotenv(tmp_path / ".env", problems), problems


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  export A = b c  ", "b c"),
        ("A=", ""),
        ("A=b # comment", "b"),
        ("A=b#c", "b#c"),
        ("A='b # $c \\n' # comment", "b # $c \\n"),
        ('A="b \\"c\\" \\n\\\\"', 'b "c" \n\\'),
        ("A=${B}", "${B}"),
    ],
)
def test_a_line_is_read(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, f"# first\n\n{line}\n") == ({"A": value}, [])


@pytest.mark.parametrize("line", ["novalue", "1A=b", "A='open", 'A="open', "A='x' y", "A B=c"])
def test_a_line_that_is_none_is_a_problem_with_its_place(tmp_path: Path, line: str) -> None:
    found, [problem] = read(tmp_path, f"B=1\n{line}\n")
    assert (found, problem.line) == ({"B": "1"}, 2)
    assert line not in problem.message


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert (read_dotenv(tmp_path / ".env", problems), problems) == ({}, [])


def test_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    assert with_dotenv((tmp_path,), {"A": "environment"}, []) == {"A": "environment", "B": "file"}


def test_size_is_bounded(tmp_path: Path) -> None:
    assert len(read(tmp_path, "A=" + "x" * MAX_FILE_BYTES)[1]) == 1


def test_it_is_found_beside_the_files(setup: Setup) -> None:
    setup.write(".env", "ACME_KEY=a-key-of-some-length\n")
    assert setup.config().providers["acme"].credentials["api_key"] == "a-key-of-some-length"
