"""A prompt as an endpoint: a client sends the fields that its input declares and reads data of the shape it promises.

    {…, model?, provider?}
 -> {success, data, provider, model, usage, response_time_ms, cost_usd,
     metadata: {repaired, fallback, faults?, pieces?}}

Every route has a dialect of its own, bound to its prompt.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.config.model import Prompt, Route
from gateway.dialects.fields import Fields, parse_object
from gateway.dialects.native import JSON, Native, answer, usage
from gateway.errors import InvalidRequest, TooLarge, UpstreamCut
from gateway.types import (
    Ask,
    Call,
    Chat,
    Event,
    Filled,
    Inbound,
    Message,
    Operation,
    Rendered,
    Text,
    Units,
    Usage,
)

_OURS = ("model", "provider")  # fields that every endpoint has, unless the prompt's input declares its own


class PromptDialect(Native):
    name = "prompt"
    operation: Operation = "chat"

    def __init__(self, prompt: Prompt | None = None) -> None:
        self._prompt = prompt

    def bind(self, route: Route) -> PromptDialect:
        """Return the dialect of one route."""
        return PromptDialect(route.prompt)

    def decode(self, inbound: Inbound) -> Ask:
        prompt = self._prompt
        if prompt is None:
            raise RuntimeError("a prompt's dialect is bound to its route first")
        fields = parse_object(inbound.body)
        ours = {name: fields.string(name) or "" for name in _OURS if name not in prompt.input.properties}
        values = read_values(prompt, fields, ours)
        _check_length(prompt, values)
        return Ask(ours.get("model", ""), estimate(prompt, values), provider=ours.get("provider", ""), values=values)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        filled: Filled | None = None
        units = Units()
        async for event in events:
            if isinstance(event, Filled):
                filled = event
            elif isinstance(event, Usage):
                units = event.units
        if filled is None:
            raise UpstreamCut("the prompt came to no answer")
        metadata = {
            "repaired": filled.is_repaired,
            "fallback": filled.is_fallback,
            "faults": list(filled.faults) or None,
            "pieces": filled.pieces or None,
        }
        last = call.receipt.last
        model = last.target.partition("/")[2] if last is not None else call.model
        return Rendered(JSON, answer(call, {"data": filled.value, "model": model, "usage": usage(units)}, metadata))


def read_values(prompt: Prompt, fields: Fields, ours: Mapping[str, str]) -> dict[str, Any]:
    """Return a value for every declared field: the client's, else its default, else None. Raises InvalidRequest.

    A null means that the client said nothing, as everywhere in the gateway.
    """
    given = {name: value for name, value in fields.raw.items() if name not in ours and value is not None}
    faults = prompt.input.faults(given)
    if faults:
        raise InvalidRequest("; ".join(str(fault) for fault in faults[:5]), param=faults[0].place or None)
    defaults = {name: schema.get("default") for name, schema in prompt.input.properties.items()}
    return {**defaults, **given}


def estimate(prompt: Prompt, values: Mapping[str, Any]) -> Chat:
    """Return a chat about as large as all that the prompt may come to: what limits and budgets reserve for.

    The whole of a long input is in it once, since all of it is read once, and every answer there may be.
    """
    long_input = prompt.long_input
    texts: list[str] = []
    output_tokens = 0
    if long_input is not None and len(text := values[long_input.field] or "") > long_input.max_chars:
        texts = [text, text[: long_input.max_chars]]
        output_tokens = pieces(prompt, values) * long_input.summary_tokens
        values = {**values, long_input.field: ""}
    asked = prompt.template.render(values) + (prompt.system.render(values) if prompt.system is not None else "")
    times = 2 if prompt.output is not None and prompt.is_repaired else 1
    chat = Chat((Message("user", tuple(Text(text) for text in (*texts, *[asked] * times))),))
    most = prompt.settings.get("max_output_tokens")
    return replace(chat, max_output_tokens=None if most is None else most * times + output_tokens)


def pieces(prompt: Prompt, values: Mapping[str, Any]) -> int:
    """Return into how many pieces the long input is cut; 0 where it is taken as it stands."""
    long_input = prompt.long_input
    if long_input is None:
        return 0
    size = len(values[long_input.field] or "")
    return 0 if size <= long_input.max_chars else -(-size // long_input.piece_chars)


def _check_length(prompt: Prompt, values: Mapping[str, Any]) -> None:
    long_input = prompt.long_input
    if long_input is None or pieces(prompt, values) <= long_input.max_pieces:
        return
    most = long_input.max_pieces * long_input.piece_chars
    raise TooLarge(
        f"'{long_input.field}' has {len(values[long_input.field])} characters; at most {most} are condensed here",
        param=long_input.field,
    )
