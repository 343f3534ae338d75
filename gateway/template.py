"""Prompt templates: Jinja2 in a sandbox, of which nothing but text comes out, in bounded time and size.

A template is the operator's; what a client sends is only ever a value in it, and no value is read as a template. The
sandbox keeps a careless or copied template from reaching into Python or running away with the process: no attribute
that begins with an underscore, few methods, no text made by multiplication, counted loops and calls.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.errors import GatewayError, TooLarge

MAX_SOURCE_CHARS = 65_536  # a prompt of ten thousand words
MAX_STEPS = 100_000  # turns of loops and calls of one rendering: some 50 ms
MAX_TIME_S = 1.0
MAX_RENDERED_CHARS = 16_777_216  # as the longest prompt of POST /llm/generate

_METER = " meter"  # a name that no template can spell
_FILTERS = (
    *("capitalize", "default", "d", "escape", "e", "first", "float", "int", "items", "join", "last", "length", "list"),
    *("lower", "map", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort", "sum"),
    *("title", "tojson", "trim", "truncate", "unique", "upper", "wordcount"),
)
_METHODS = frozenset({"endswith", "get", "items", "keys", "lower", "split", "startswith", "strip", "upper", "values"})
_GLOBALS = ("dict", "range")


class TemplateFailed(GatewayError):
    """A template asked for what the sandbox does not give, or for a value that is not of the kind it needs."""

    code = "prompt_failed"


@dataclass(frozen=True, slots=True)
class TemplateFault(Exception):
    """What is wrong with a template's text; `line` counts from 1 within it."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template, compiled. `names` are the variables it reads, each with the line where it does so first."""

    names: Mapping[str, int]
    _compiled: jinja2.Template = field(repr=False)

    def render(self, values: Mapping[str, Any], *, max_chars: int = MAX_RENDERED_CHARS) -> str:
        """Return the text. Raises TooLarge where it, or the way to it, is too long, TemplateFailed where it fails."""
        meter = _Meter(time.monotonic() + MAX_TIME_S)
        parts: list[str] = []
        size = 0
        try:
            for part in self._compiled.generate({**values, _METER: meter}):
                size += len(part)
                if size > max_chars:
                    raise TooLarge(f"the prompt is longer than {max_chars} characters with what was sent")
                parts.append(part)
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise TemplateFailed(f"the prompt's template fails: {_said(error)}") from error
        return "".join(parts).strip()


def compile_template(source: str) -> Template:
    """Return the template. Raises TemplateFault."""
    if len(source) > MAX_SOURCE_CHARS:
        raise TemplateFault(1, f"it is longer than {MAX_SOURCE_CHARS} characters")
    environment = _Sandbox()
    try:
        tree = environment.parse(source)
        names = {name: _line_of(tree, name) for name in sorted(meta.find_undeclared_variables(tree)) if name != _METER}
        return Template({name: line for name, line in names.items() if name not in _GLOBALS}, _load(environment, tree))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateFault(error.lineno, _said(error)) from error
    except (jinja2.TemplateError, SyntaxError, RecursionError) as error:
        raise TemplateFault(1, _said(error)) from error


# ---------------------------------------------------------------- the sandbox


@dataclass(slots=True)
class _Meter:
    """Counts what one rendering does."""

    until_s: float
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooLarge(f"the prompt's template takes more than {MAX_STEPS} steps with what was sent")
        if self.steps % 256 == 0 and time.monotonic() > self.until_s:
            raise TooLarge(f"the prompt's template takes more than {MAX_TIME_S:g} s with what was sent")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's own sandbox, with less in it, and a meter on everything that can repeat."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=False, trim_blocks=True,
            lstrip_blocks=True, cache_size=0,
        )  # fmt: skip
        self.filters = {name: self.filters[name] for name in _FILTERS} | {_METER: _metered}
        self.globals = {name: self.globals[name] for name in _GLOBALS}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for kind, what in _REFUSED.items():
            for found in tree.find_all(kind):
                raise jinja2.TemplateSyntaxError(f"{what} is not to be had in a prompt", found.lineno)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _METER, [], [], None, None, lineno=loop.lineno)
        return tree

    def wrap_str_format(self, value: Any) -> None:
        """Jinja2 would let `format` pass in a form of its own, and with it a client's text as a format string."""

    def is_safe_callable(self, obj: Any) -> bool:
        if getattr(obj, "__self__", None) is not None and isinstance(obj.__self__, str | dict | list | tuple):
            return obj.__name__ in _METHODS
        return super().is_safe_callable(obj)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805  # as Jinja2 has it
        __context[_METER].step()
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return left + right
        if not all(isinstance(side, int | float) for side in (left, right)):
            raise SecurityError(f"'{operator}' is for numbers here; '~' joins texts")
        if operator == "**":
            raise SecurityError("'**' is not to be had in a prompt")
        return super().call_binop(context, operator, left, right)


_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Include: "'include'",
    nodes.Import: "'import'",
    nodes.FromImport: "'import'",
    nodes.Extends: "'extends'",
}


@jinja2.pass_context
def _metered(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    meter = context[_METER]
    for item in items:
        meter.step()
        yield item


def _load(environment: _Sandbox, tree: nodes.Template) -> jinja2.Template:
    code = environment.compile(tree)
    return jinja2.Template.from_code(environment, code, environment.make_globals(None))


def _line_of(tree: nodes.Template, name: str) -> int:
    return min((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), default=1)


def _said(error: BaseException) -> str:
    """Return the first line of what an error says, short: it may quote what was sent."""
    lines = str(getattr(error, "message", None) or error).splitlines() or [type(error).__name__]
    return lines[0][:200]
