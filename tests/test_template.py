"""The sandbox of prompt templates: values are data, Python is out of reach, and everything ends."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.errors import GatewayError, TooLarge
from gateway.template import MAX_SOURCE_CHARS, TemplateFailed, TemplateFault, compile_template


def render(source: str, **values: Any) -> str:
    return compile_template(source).render(values)


@pytest.mark.parametrize(
    "text",
    [
        "{{7*7}}", "{% for i in range(9) %}x{% endfor %}", "${ENV}", "$HOME", "{{ ''.__class__ }}", "{# gone #}", "{{",
        "%}", "{0.__class__}", "%(x)s", "&lt;<b>", "\\u007b\\u007b", "{%raw%}", "\x00", "# line", "🎙 é",
    ],
)  # fmt: skip
def test_what_a_client_sends_comes_out_as_it_went_in(text: str) -> None:
    assert render("<{{ x }}>", x=text) == f"<{text}>"
    assert render("{% for i in x %}{{ i }}{% endfor %}", x=[text, text]) == (text * 2).strip()
    assert render("{{ x.a }}", x={"a": text}) == text.strip()


def test_loops_conditions_filters_and_macros_work() -> None:
    macro = "{% macro m(n) %}<{{ n }}>{% endmacro %}"
    loop = "{% for i in x %}{% if loop.first %}{{ m(i|upper) }}{% endif %}{% endfor %}"
    assert render(macro + loop, x=["a", "b"]) == "<A>"
    assert render("{% for k, v in x.items() %}{{ k }}={{ v }};{% endfor %}", x={"a": 1, "b": 2}) == "a=1;b=2;"
    assert render("{{ x|tojson }}|{{ y|default('none', true) }}|{{ x|length }}", x=[1], y=None) == "[1]|none|1"


@pytest.mark.parametrize(
    "source",
    [
        "{{ x.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ x['__class__'] }}", "{{ x|attr('__class__') }}",
        "{{ x.format(1) }}", "{{ '{0.__class__}'.format(x) }}", "{{ '%s' % x }}", "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__ }}", "{{ lipsum() }}", "{{ namespace(a=1) }}", "{{ joiner }}", "{{ config }}",
        "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}", "{{ x.mro() }}",
        "{{ range.__self__ }}", "{{ (x|map('upper')).gi_frame }}", "{{ x.encode() }}", "{{ [].append(1) }}",
        "{{ {}.update({'a': 1}) }}", "{{ x.join }}{{ x.join(['a']) }}", "{{ dict.mro() }}",
        "{{ nothing }}", "{{ x.nothing }}", "{{ x|pprint }}", "{{ x|center(9) }}", "{% debug %}", "{{ _meter }}",
    ],
)  # fmt: skip
def test_what_reaches_beyond_values_is_refused(source: str) -> None:
    with pytest.raises((TemplateFault, TemplateFailed)):
        render(source, x="text")


def test_a_filter_reaches_no_further_than_a_dot() -> None:
    assert "class" not in render("{{ x|map(attribute='__class__')|list }}", x="ab")


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(30) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in x recursive %}{{ loop(x) }}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ range(1000000000)|list }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{% for i in range(100000) %}{{ x }}{% endfor %}",
    ],
)
def test_what_would_not_end_or_fit_is_stopped(source: str) -> None:
    began = time.monotonic()
    with pytest.raises((GatewayError, TemplateFault)):
        render(source, x="y" * 10_000)
    assert time.monotonic() - began < 3


def test_the_text_is_bounded() -> None:
    template = compile_template("{{ x }}")
    assert template.render({"x": "y" * 10}, max_chars=10) == "y" * 10
    with pytest.raises(TooLarge):
        template.render({"x": "y" * 11}, max_chars=10)


def test_a_fault_knows_its_line() -> None:
    with pytest.raises(TemplateFault) as caught:
        compile_template("one\ntwo {{ x }\n")
    assert caught.value.line == 2
    with pytest.raises(TemplateFault):
        compile_template("x" * (MAX_SOURCE_CHARS + 1))


def test_the_variables_that_a_template_reads_are_known_with_their_lines() -> None:
    loop = "{% for d in range(2) %}\n{{ d }}{{ b }}{% endfor %}"
    template = compile_template("{{ a }}\n{% set c = 1 %}{{ c }}" + loop + "{{ a }}")
    assert dict(template.names) == {"a": 1, "b": 3}


def test_an_error_does_not_quote_what_was_sent_at_length() -> None:
    with pytest.raises(TemplateFailed) as caught:
        render("{{ x|int + 'a' }}{{ x.y }}", x="s" * 10_000)
    assert len(caught.value.message) < 300
