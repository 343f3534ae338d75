from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.config.yaml import MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, parse
from gateway.errors import Problem


def value_of(text: str) -> Any:
    problems: list[Problem] = []
    document = parse(text.encode(), "f.yaml", problems)
    assert problems == []
    assert document is not None
    return document.value


def problems_of(data: str | bytes) -> list[str]:
    problems: list[Problem] = []
    parse(data.encode() if isinstance(data, str) else data, "f.yaml", problems)
    return [str(problem) for problem in problems]


GUESSES = (
    "on off yes no y True NULL ~ 12:30 1:2:3 0o17 017 0x1f 0b1 1_000 2026-11-23 2026-11-23T10:00:00Z .inf -.inf .nan"
    " +1 1. .5 1e = <"
)


@pytest.mark.parametrize("text", GUESSES.split())
def test_what_yaml_1_1_would_guess_stays_text(text: str) -> None:
    assert value_of(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("null", None), ("", None), ("0", 0), ("-7", -7), ("1.5", 1.5), ("2e3", 2000.0)],
)
def test_json_words_and_numbers_are_typed(text: str, value: object) -> None:
    found = value_of(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ['"true"', "'5'", "|-\n  5", ">-\n  null"])
def test_quoted_and_block_scalars_are_text(text: str) -> None:
    assert isinstance(value_of(f"a: {text}")["a"], str)


def test_keys_are_always_text() -> None:
    assert value_of("1: a\ntrue: b\nnull: c") == {"1": "a", "true": "b", "null": "c"}


def test_every_key_and_value_keeps_its_place() -> None:
    document = parse(b"a:\n  - bcd: 'e f'\n", "f.yaml", [])
    assert document is not None
    key, value = document.key_mark(("a", 0, "bcd")), document.value_mark(("a", 0, "bcd"))
    assert (key.file, key.line, key.column) == ("f.yaml", 2, 5)
    assert (value.line, value.column, value.end_line, value.end_column) == (2, 10, 2, 15)


def test_a_place_that_does_not_exist_falls_back_to_what_is_around_it() -> None:
    document = parse(b"a:\n  b: 1\n", "f.yaml", [])
    assert document is not None
    assert document.value_mark(("a", "nothing", 3)).line == 2


def test_a_duplicate_key_names_both_places() -> None:
    assert problems_of("a: 1\nb:\n  c: 1\n  c: 2\n") == ["f.yaml:4:3: 'c' is here twice, first on line 3; keep one"]


def test_all_duplicates_are_told_at_once() -> None:
    assert len(problems_of("a: 1\na: 2\nb: 1\nb: 2\na: 3\n")) == 3


def test_merge_keys_are_refused_with_the_remedy() -> None:
    [problem] = problems_of("a: &x {b: 1}\nc:\n  <<: *x\n")
    assert problem.startswith("f.yaml:3:3: merge keys (<<) are not supported; ")


def test_an_alias_is_a_copy_with_its_own_path() -> None:
    document = parse(b"a: &x {b: [1]}\nc: *x\n", "f.yaml", [])
    assert document is not None
    assert document.value == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document.value["a"] is not document.value["c"]
    assert document.value_mark(("c", "b", 0)).line == 1


@pytest.mark.parametrize("text", ["a: *x", "a: &x [*x]", "a: &x {b: *x}"])
def test_an_alias_without_an_anchor_before_it_is_refused(text: str) -> None:
    assert "the alias *x has no anchor &x before it" in problems_of(text)[0]


def test_a_billion_laughs_are_refused_quickly() -> None:
    lines = ["a0: &a0 [l, l, l, l, l, l, l, l, l]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    started = time.monotonic()
    assert f"more than {MAX_NODES} values once aliases are expanded" in problems_of("\n".join(lines))[0]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("levels", "is_fine"), [(MAX_DEPTH - 2, True), (MAX_DEPTH - 1, True), (MAX_DEPTH, False)])
def test_nesting_is_bounded(levels: int, is_fine: bool) -> None:
    assert (problems_of("a: " + "[" * levels + "]" * levels) == []) is is_fine


def test_absurd_nesting_is_refused_quickly() -> None:
    started = time.monotonic()
    assert "nested more than" in problems_of("[" * 500_000)[0]
    assert "nested more than" in problems_of("- " * 500_000)[0]
    assert time.monotonic() - started < 5


def test_aliases_cannot_nest_deeper_either() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, MAX_DEPTH + 5)]
    assert "nested more than" in problems_of("\n".join(lines))[0]


@pytest.mark.parametrize(("size", "is_fine"), [(MAX_FILE_BYTES, True), (MAX_FILE_BYTES + 1, False)])
def test_size_is_bounded(size: int, is_fine: bool) -> None:
    text = "a: 1\n#"
    assert (problems_of(text + "x" * (size - len(text))) == []) is is_fine


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "f.yaml:1:1: the file is empty"),
        (b"# only this\n", "f.yaml:1:1: the file is empty"),
        (b"- a\n", "f.yaml:1:1: the top level has to be a mapping (version: 1, …), this is a list"),
        (b"word\n", "this is a single value"),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here"),
        (b"a: 1\nb: \xff\n", "f.yaml:2:4: byte 0xff is not UTF-8"),
        ("a: ä\nb: ä".encode("latin-1"), "f.yaml:1:4: byte 0xe4 is not UTF-8"),
        ("a: 1".encode("utf-16"), "f.yaml:1:1: byte 0xff is not UTF-8"),
        (b"a: 1\nb: \x07\n", "f.yaml:2:4: the control character U+0007 is not allowed"),
        ("a: \u2028x".encode(), "f.yaml:1:4: the control character U+2028"),
        (b"a: 1\rb: 2", "f.yaml:1:5: the control character U+000D"),
        (
            b"a:\n\t- b\n",
            "f.yaml:2:1: this is not YAML: found character that cannot start any token (indent with spaces",
        ),
        (b"a: b: c\n", "f.yaml:1:5: this is not YAML: mapping values are not allowed in this context (a value with"),
        (b"a: 'x\n", "this is not YAML: found unexpected end of stream (a quote is not closed)"),
        (b"a: [1, 2\n", "(a '[' is not closed"),
        (b"? [a]\n: b\n", "f.yaml:1:3: a key has to be plain text"),
        (b"'': 1\n", "f.yaml:1:1: a key is empty"),
        (b"a: !!python/object/apply:os.system [x]\n", "f.yaml:1:4: the tag tag:yaml.org,2002:python/object/apply"),
        (b"a: !!int '5'\n", "f.yaml:1:4: the tag"),
        (b"a: 1e999\n", "f.yaml:1:4: the number is out of range"),
        (b"a: 99999999999999999999\n", "f.yaml:1:4: the number is out of range"),
        (b"a: " + b"9" * 5000, "f.yaml:1:4: the number is out of range"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(data: bytes, expected: str) -> None:
    assert expected in problems_of(data)[0]


def test_a_byte_order_mark_and_crlf_change_no_place() -> None:
    document = parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f.yaml", [])
    assert document is not None
    assert document.value == {"a": 1, "b": 2}
    assert (document.key_mark(("a",)).column, document.key_mark(("b",)).line) == (1, 2)


@pytest.mark.parametrize(("number", "is_fine"), [(2**63 - 1, True), (2**63, False), (-(2**63 - 1), True)])
def test_whole_numbers_are_bounded_by_64_bits(number: int, is_fine: bool) -> None:
    assert (problems_of(f"a: {number}") == []) is is_fine
