"""`pipeline` of a route: steps with their models, templates and settings, and the fields that a client may send."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from gateway.config.document import Section
from gateway.config.include import Sources
from gateway.config.model import Config, Pipeline, Route, Step
from gateway.config.names import unknown
from gateway.config.resolve import resolve
from gateway.config.templates import compile_at
from gateway.template import Template

DIALECT = "pipeline"
Kind = Literal["transcription", "chat", "speech"]
GIVEN = "text"  # what a template calls that which the step before gave
OURS = ("file", "audio", "input", "url", "response_format", "stream_format")  # fields that every pipeline has
MIN_STEPS = 2

_TEMPLATES: Mapping[Kind, tuple[str, ...]] = {
    "transcription": ("language", "prompt"),
    "chat": ("system", "message"),
    "speech": ("voice", "instructions", "language"),
}
_SETTINGS = {"max_tokens": "max_output_tokens"}  # of `Chat`, where it has another name


def compile_pipeline(section: Section, sources: Sources) -> Pipeline | None:
    """Return the pipeline; None where it has faults, which are reported."""
    before = len(section.problems)
    fields: Mapping[str, str | None] = section.get("fields") or {}
    for name in fields:
        if name in (*OURS, GIVEN):
            section.at("fields").at(name).error(f"every pipeline has '{name}' already", at_key=True)
    steps = [_step(place, tuple(fields), sources) for _, place in section.at("steps").each()]
    _check_order([step.operation for step in steps], section.at("steps"))
    if any(problem.severity == "error" for problem in section.problems[before:]):
        return None
    return Pipeline(tuple(steps), MappingProxyType(dict(fields)))


def check_pipeline(route: Route, section: Section, config: Config, faulty: frozenset[str]) -> None:
    """Report steps whose model is none of their operation. `faulty` models are told elsewhere."""
    if route.pipeline is None:
        return
    for (_, place), step in zip(section.at("pipeline").at("steps").each(), route.pipeline.steps, strict=True):
        if step.model in faulty or resolve(config, step.model, step.operation) != (None, ()):
            continue
        known = [alias.pattern for alias in config.models if alias.operation == step.operation]
        at = place.at(step.operation).at("model")
        at.error(f"model '{step.model}' is not in models for {step.operation}{unknown(step.model, known)}")


def _step(place: Section, fields: tuple[str, ...], sources: Sources) -> Step:
    kind = cast(Kind, next(name for name in get_args(Kind) if name in place))
    section = place.at(kind)
    names = (*fields, GIVEN) if kind == "chat" else fields
    templates: dict[str, Template] = {}
    for name in _TEMPLATES[kind]:
        if name in section:
            made = compile_at(section.at(name), names, sources, "is none of the pipeline's fields")
            templates |= {name: made} if made is not None else {}
    given: dict[str, Any] = {
        _SETTINGS.get(name, name): value
        for name, value in section.value.items()
        if name not in (*_TEMPLATES[kind], "model")
    }
    return Step(kind, section.get("model"), MappingProxyType(templates), MappingProxyType(given))


def _check_order(kinds: list[Kind], place: Section) -> None:
    """A recording is heard first and what is spoken is last, or it would be nobody's."""
    for number, kind in enumerate(kinds):
        at = place.at(number)
        if kind == "transcription" and number > 0:
            at.error("a transcription is a pipeline's first step: what comes before it gives no recording")
        if kind == "speech" and number < len(kinds) - 1:
            at.error("speech is a pipeline's last step: what follows it would get audio for text")
