"""OpenAI's legacy completions: `POST /v1/completions`, a prompt in, its continuation out (openai 3.54.0, 2026-11-23).

Every target serves them as a chat of one message: the models that continued bare text have been retired.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

from gateway import json, sse
from gateway.dialects.fields import Fields, kind, parse_object
from gateway.dialects.openai_chat_answer import DONE, usage_object
from gateway.dialects.openai_errors import encode_json_error, encode_sse_error
from gateway.dialects.openai_usage_cost import cost_member
from gateway.errors import GatewayError
from gateway.types import (
    Ask,
    Call,
    Chat,
    Done,
    Event,
    Inbound,
    Message,
    Operation,
    Rendered,
    Text,
    TextDelta,
    Units,
    Usage,
)

_KNOWN = frozenset(
    {
        "model", "prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n",
        "presence_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature", "top_p", "user",
    }
)  # fmt: skip
_IMPOSSIBLE = {  # what a chat model cannot do, and what to do instead
    "logprobs": "take 'logprobs' of /v1/chat/completions",
    "suffix": "say in the prompt what follows the gap",
    "best_of": "take 'n' and choose yourself",
}
DEFAULT_MAX_TOKENS = 16  # as OpenAI documents it for this endpoint


class OpenAICompletions:
    name = "openai.completions"
    operation: Operation = "chat"
    takes_form = False
    indifferent = frozenset({"user"})
    field_names: Mapping[str, str] = MappingProxyType({"max_output_tokens": "max_tokens"})

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        for name, remedy in _IMPOSSIBLE.items():
            if fields.raw.get(name) not in (None, False, "") and not (name == "best_of" and fields.raw[name] == 1):
                raise fields.error(name, f"cannot be served by chat models; {remedy}")
        stream = fields.boolean("stream") or False
        options = fields.object("stream_options")
        bias = fields.object("logit_bias")
        limit = fields.integer("max_tokens", 1)
        fields.boolean("echo")
        chat = Chat(
            messages=(Message("user", (Text(_prompt(fields)),)),),
            max_output_tokens=DEFAULT_MAX_TOKENS if limit is None else limit,
            temperature=fields.number("temperature", 0, 2),
            top_p=fields.number("top_p", 0, 1),
            stop=fields.strings("stop", high=4),
            seed=fields.integer("seed", -(2**63)),
            n=fields.integer("n", 1, 128) or 1,
            frequency_penalty=fields.number("frequency_penalty", -2, 2),
            presence_penalty=fields.number("presence_penalty", -2, 2),
            logit_bias={token: bias.number(token, -100, 100) or 0 for token in bias.raw} if bias is not None else None,
            user=fields.string("user"),
            wants_usage=not stream or bool(options and options.boolean("include_usage")),
            extra=fields.rest(_KNOWN),
        )
        return Ask(fields.string("model") or "", chat, stream)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        if not call.stream:
            return Rendered("application/json", await _whole(call, events))
        first = await anext(events, None)  # what it raises is still a clean status
        return Rendered("text/event-stream; charset=utf-8", _stream(call, first, events))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)


def _prompt(fields: Fields) -> str:
    prompt = fields.require("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str):
        if not prompt:
            raise fields.error("prompt", "must not be empty")
        return prompt
    if isinstance(prompt, list) and len(prompt) > 1 and all(isinstance(item, str) for item in prompt):
        raise fields.error("prompt", f"holds {len(prompt)} prompts; send each in a request of its own")
    if isinstance(prompt, list):
        raise fields.error("prompt", "must be text: token ids belong to one vendor's models")
    raise fields.error("prompt", f"must be a string, or an array with one, not {kind(prompt)}")


def _echoed(call: Call) -> str:
    """Return the prompt where the client asked to have it back before the answer."""
    assert isinstance(call.body, Chat)
    wants_echo = call.raw is not None and b'"echo"' in call.raw and json.loads(call.raw).get("echo")
    return call.body.messages[0].text if wants_echo else ""


def _frame(call: Call) -> dict[str, Any]:
    last = call.receipt.last
    model = last.target.partition("/")[2] if last is not None else call.model
    return {"id": f"cmpl-{call.id}", "object": "text_completion", "created": int(time.time()), "model": model}


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def _reason(done: Done) -> str:
    return done.reason if done.reason in ("length", "content_filter") else "stop"


async def _whole(call: Call, events: AsyncIterator[Event]) -> bytes:
    texts: dict[int, list[str]] = {}
    reasons: dict[int, str] = {}
    units = Units()
    async for event in events:
        if isinstance(event, TextDelta):
            texts.setdefault(event.index, []).append(event.text)
        elif isinstance(event, Done):
            reasons[event.index] = _reason(event)
        elif isinstance(event, Usage):
            units = event.units
    echo = _echoed(call)
    indexes = sorted(texts.keys() | reasons.keys())
    choices = [_choice(index, echo + "".join(texts.get(index, ())), reasons.get(index, "stop")) for index in indexes]
    return json.dumps(_frame(call) | {"choices": choices, "usage": usage_object(units)})


async def _stream(call: Call, first: Event | None, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    assert isinstance(call.body, Chat)
    frame = _frame(call)
    if call.body.wants_usage:
        frame["usage"] = None
    units = Units()
    if echo := _echoed(call):
        for index in range(call.body.n):
            yield _chunk(frame, _choice(index, echo, None))
    event = first
    while event is not None:
        if isinstance(event, TextDelta):
            yield _chunk(frame, _choice(event.index, event.text, None))
        elif isinstance(event, Done):
            yield _chunk(frame, _choice(event.index, "", _reason(event)))
        elif isinstance(event, Usage):
            units = event.units
        event = await anext(events, None)
    if call.body.wants_usage:
        yield sse.write(json.dumps(frame | {"choices": [], "usage": usage_object(units) | cost_member(call.receipt)}))
    yield DONE


def _chunk(frame: dict[str, Any], choice: dict[str, Any]) -> bytes:
    return sse.write(json.dumps(frame | {"choices": [choice]}))
