"""`POST /llm/generate`: a prompt goes in, a text comes out.

   {prompt, system?, model?, provider?, temperature?, top_p?, max_tokens?, stop?, seed?, reasoning_effort?}
-> {success, text, provider, usage, response_time_ms, cost_usd, metadata: {model, finish_reason, …}}
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.dialects.native import JSON, Native, answer, read_fields, spoken_text, usage
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

MAX_PROMPT_CHARS = 16_777_216  # what one target cannot take is for the target to refuse; this bounds everybody's memory
_FIELDS = (
    *("prompt", "system", "model", "provider", "temperature", "top_p", "max_tokens", "stop", "seed"),
    *("reasoning_effort", "user", "stream"),
)
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class NativeGenerate(Native):
    name = "native.generate"
    operation: Operation = "chat"
    indifferent = frozenset({"user"})

    def decode(self, inbound: Inbound) -> Ask:
        fields = read_fields(inbound.body, _FIELDS)
        if fields.boolean("stream"):
            raise fields.error("stream", "is not served here; POST /v1/chat/completions streams")
        system = fields.string("system")
        prompt = Message("user", (Text(spoken_text(fields, "prompt", MAX_PROMPT_CHARS)),))
        chat = Chat(
            messages=(Message("system", (Text(system),)), prompt) if system else (prompt,),
            max_output_tokens=fields.integer("max_tokens", 1),
            temperature=fields.number("temperature", 0, 2),
            top_p=fields.number("top_p", 0, 1),
            stop=fields.strings("stop", high=4),
            seed=fields.integer("seed", -(2**63)),
            reasoning_effort=fields.string("reasoning_effort", choices=_EFFORTS),
            user=fields.string("user"),
        )
        return Ask(fields.string("model") or "", chat, provider=fields.string("provider") or "")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        text: list[str] = []
        units = Units()
        reason = "stop"
        async for event in events:
            match event:
                case TextDelta(piece):
                    text.append(piece)
                case Usage(counted):
                    units = counted
                case Done(why):
                    reason = why
                case _:
                    pass
        result = {"text": "".join(text), "usage": usage(units)}
        return Rendered(JSON, answer(call, result, {"finish_reason": reason}))
