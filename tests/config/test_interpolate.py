from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.interpolate import MAX_SECRET_BYTES, interpolate
from gateway.config.yaml import parse
from gateway.errors import Problem
from tests.config.folder import Setup


def run(text: str, folder: Path = Path(), **environ: str) -> tuple[object, list[str]]:
    problems: list[Problem] = []
    document = parse(text.encode(), str(folder / "f.yaml"), problems)
    assert document is not None
    done = interpolate(document, environ, problems)
    return done.value, [problem.message for problem in problems]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${A}", "one"),
        ("${EMPTY}", ""),
        ("${A:-x}", "one"),
        ("${EMPTY:-x}", "x"),
        ("${NONE:-x}", "x"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("${A:?has to be set}", "one"),
        ("pre-${A}-${NONE:-two}-post", "pre-one-two-post"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$$${A}", "$${A}"),
        ("5 $ and $A", "5 $ and $A"),
    ],
)
def test_references_are_replaced(written: str, expected: str) -> None:
    assert run(f"a: '{written}'", A="one", EMPTY="") == ({"a": expected}, [])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${NONE}", "NONE is not set; set it in the environment or in .env, or write ${NONE:-default}"),
        ("${NONE:?ask the team}", "NONE is not set: ask the team"),
        ("${EMPTY:?ask the team}", "EMPTY is not set: ask the team"),
        ("${NONE:?}", "NONE is not set: it has to be"),
        ("${A:-${B}}", "a reference inside a reference is not supported"),
        ("${A", "'${' is not closed with '}'"),
        ("${}", "${} is not a reference"),
        ("${1A}", "${1A} is not a reference"),
        ("${A-x}", "${A-x} is not a reference"),
        ("${A B}", "is not a reference"),
        ("${file:}", "${file:} names no file"),
        ("${file:/nowhere/at/all}", "the file /nowhere/at/all cannot be read: No such file or directory"),
    ],
)
def test_a_reference_that_cannot_be_replaced_is_a_problem(written: str, message: str) -> None:
    value, problems = run(f"a: '{written}'", A="one", EMPTY="")
    assert value == {"a": written}
    assert len(problems) == 1
    assert message in problems[0]


def test_keys_are_never_touched() -> None:
    assert run("'${A}': '${A}'", A="one") == ({"${A}": "one"}, [])


def test_what_comes_from_outside_adds_no_structure_and_no_further_reference() -> None:
    evil = "x\nb: 1\n- ${B} *a &b"
    assert run("a: ${A}", A=evil, B="never") == ({"a": evil}, [])


def test_a_number_that_was_substituted_is_text_until_the_schema_asks() -> None:
    assert run("a: ${A}", A="5") == ({"a": "5"}, [])


def test_a_secret_file_loses_only_the_line_end_it_closes_with(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" s3cret \r\n")
    assert run("a: ${file:secret}", tmp_path) == ({"a": " s3cret "}, [])


@pytest.mark.parametrize(("size", "is_fine"), [(MAX_SECRET_BYTES, True), (MAX_SECRET_BYTES + 1, False)])
def test_a_secret_file_is_bounded(tmp_path: Path, size: int, is_fine: bool) -> None:
    (tmp_path / "secret").write_text("x" * size)
    assert (run("a: ${file:secret}", tmp_path)[1] == []) is is_fine


def test_a_secret_file_has_to_be_text(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    assert run("a: ${file:secret}", tmp_path)[1] == ["the file secret is not UTF-8 text"]


def test_an_unset_variable_is_named_at_its_place(setup: Setup) -> None:
    setup.routes("anonymous: loopback", "anonymous: '${WHO_MAY}'")
    [problem] = setup.problems()
    assert problem.startswith("routes.yaml:2:19: WHO_MAY is not set; ")


def test_a_reference_within_braces_needs_quotes_and_the_message_says_so(setup: Setup) -> None:
    setup.routes("anonymous: loopback", "anonymous: ${WHO_MAY}")
    assert any("a text that holds braces needs quotes" in problem for problem in setup.problems())


@pytest.mark.parametrize(("text", "is_served"), [("true", True), ("OFF", False), ("1", True), ("no", False)])
def test_a_boolean_may_be_said_as_environments_do(setup: Setup, text: str, is_served: bool) -> None:
    setup.routes("keys:", "server: {metrics: '${METRICS_ENABLED:-true}'}\nkeys:")
    assert setup.config(METRICS_ENABLED=text).server.metrics is is_served


@pytest.mark.parametrize("text", ["INFO", "Info", "info"])
def test_a_word_may_be_said_in_any_case(setup: Setup, text: str) -> None:
    setup.routes("keys:", "server: {log_level: '${LOG_LEVEL}'}\nkeys:")
    assert setup.config(LOG_LEVEL=text).server.log_level == "info"


def test_a_number_comes_out_as_the_schema_asks(setup: Setup) -> None:
    setup.routes("model: fast", "model: fast, cache: {ttl_s: '${TTL:-300}', max_entry_bytes: '${SIZE}'}")
    cache = setup.config(SIZE="1000").routes[0].cache
    assert cache is not None
    assert (cache.ttl_s, cache.max_entry_bytes) == (300.0, 1000)
    assert type(cache.max_entry_bytes) is int


def test_text_stays_text_even_where_it_looks_like_a_number(setup: Setup) -> None:
    assert setup.config(ACME_KEY="1234567890123456").providers["acme"].credentials["api_key"] == "1234567890123456"


def test_a_value_that_does_not_fit_is_shown_as_written_not_as_it_came_out(setup: Setup) -> None:
    setup.routes("model: fast", "model: fast, cache: {ttl_s: '${TTL}'}")
    [problem] = setup.problems(TTL="sk-canary-of-a-secret")
    assert "'${TTL}'" in problem
    assert "canary" not in problem
