"""Gemini's `:generateContent` and `:streamGenerateContent`: what a client sends and reads.

The model and whether to stream stand in the path, not in the body: two dialects that differ in the latter alone.
Wire format: vendors.md 3 and 3.1, read from google-genai 3.4.0 and google-ai-generativelanguage 0.12.1 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from gateway.dialects.gemini_contents import Contents
from gateway.dialects.gemini_errors import encode_json_error, encode_sse_error
from gateway.dialects.gemini_generate_answer import encode_stream, encode_whole
from gateway.dialects.gemini_proto import Proto, model_of, parse_message
from gateway.dialects.gemini_schema import json_schema
from gateway.dialects.gemini_tools import read_tools
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Chat, Event, Inbound, Operation, OutputFormat, Rendered

_KNOWN = frozenset({"model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig"})
_CONFIG = frozenset(
    {
        "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed", "presencePenalty",
        "frequencyPenalty", "responseMimeType", "responseSchema", "responseJsonSchema", "responseLogprobs", "logprobs",
        "thinkingConfig",
    }
)  # fmt: skip
_LEVELS = ("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_MODALITIES = ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO")
_TRANSLATED_FORMATS = (None, "", "text/plain", "application/json")
_INT32 = 2**31


_FIELD_NAMES = {  # fields of `Chat` and what they are called within `generationConfig`
    "max_output_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "stop": "stopSequences",
    "seed": "seed",
    "n": "candidateCount",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    "output_format": "responseMimeType",
    "reasoning_effort": "thinkingConfig",
    "thinking_budget_tokens": "thinkingConfig.thinkingBudget",
}


class GeminiGenerate:
    name = "gemini.generate"
    operation: Operation = "chat"
    takes_form = False
    is_streaming: ClassVar[bool] = False
    field_names: Mapping[str, str] = MappingProxyType(
        {ours: f"generationConfig.{theirs}" for ours, theirs in _FIELD_NAMES.items()} | {"tool_choice": "toolConfig"}
    )

    def decode(self, inbound: Inbound) -> Ask:
        model = model_of(inbound.head)
        fields = parse_message(inbound.body)
        return Ask(model or _named(fields), read_chat(fields), self.is_streaming)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        return await encode_whole(call, events)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)


class GeminiStream(GeminiGenerate):
    name = "gemini.stream"
    is_streaming = True

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        return await encode_stream(call, events)


def read_chat(fields: Proto) -> Chat:
    """Return the chat of a request. Raises InvalidRequest naming the field."""
    contents = Contents()
    messages = (*contents.system(fields), *contents.read(fields))
    tools = read_tools(fields)
    config = fields.object("generationConfig") or Proto({}, "generationConfig")
    thinking = config.object("thinkingConfig") or Proto({}, "generationConfig.thinkingConfig")
    budget = thinking.integer("thinkingBudget", -1, _INT32 - 1)
    return Chat(
        messages=messages,
        max_output_tokens=config.integer("maxOutputTokens", 1, _INT32 - 1),
        temperature=config.number("temperature", 0, 2),
        top_p=config.number("topP", 0, 1),
        top_k=_whole(config.number("topK", 0, _INT32 - 1)),
        stop=config.strings("stopSequences"),
        seed=config.integer("seed", -_INT32, _INT32 - 1),
        n=config.integer("candidateCount", 1, 128) or 1,
        frequency_penalty=config.number("frequencyPenalty", -2, 2),
        presence_penalty=config.number("presencePenalty", -2, 2),
        logprobs=config.boolean("responseLogprobs"),
        top_logprobs=config.integer("logprobs", 0, 20),
        tools=tools.tools,
        tool_choice=tools.choice,
        output_format=_output_format(config),
        reasoning_effort=_effort(thinking, budget),
        thinking_budget_tokens=budget if budget is not None and budget > 0 else None,
        extra=_extra(fields, config, tools.config_rest),
        only_verbatim=(*contents.only_verbatim, *tools.only_verbatim, *_only_verbatim(fields, config)),
    )


def _named(fields: Proto) -> str:
    return (fields.string("model") or "").removeprefix("models/")


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _output_format(config: Proto) -> OutputFormat | None:
    mime = config.string("responseMimeType")
    own, standard = config.object("responseSchema"), config.object("responseJsonSchema")
    if standard is not None:
        return OutputFormat("json_schema", "answer", config.raw["responseJsonSchema"])
    if own is not None:
        return OutputFormat("json_schema", "answer", json_schema(own))
    return OutputFormat("json_object") if mime == "application/json" else None


def _effort(thinking: Proto, budget: int | None) -> str | None:
    """A budget of 0 turns thinking off; -1 leaves it to the model, as does saying nothing."""
    level = thinking.word("thinkingLevel", _LEVELS)  # its numbers are not published
    if level in (None, _LEVELS[0]):
        return "none" if budget == 0 else None
    return str(level).lower()


def _extra(fields: Proto, config: Proto, tool_config: dict[str, Any]) -> dict[str, Any]:
    """What the normal form has no place for; a plugin for this same format puts it back where it was."""
    left = config.rest(_CONFIG)
    thinking = config.object("thinkingConfig")
    if thinking is not None and thinking.boolean("includeThoughts"):
        left["thinkingConfig"] = {"includeThoughts": True}
    rest = {"generationConfig": left, "toolConfig": tool_config}
    return fields.rest(_KNOWN) | {key: value for key, value in rest.items() if value}


def _only_verbatim(fields: Proto, config: Proto) -> list[str]:
    """What would be another question without it: a prompt that lies in the vendor's cache, an answer in pictures, or in
    a format of the vendor's own, as `text/x.enum` is: a bare word, which others would answer as JSON.
    """
    found = ["cachedContent"] if fields.raw.get("cachedContent") else []
    if config.string("responseMimeType") not in _TRANSLATED_FORMATS:
        found.append(config.path("responseMimeType"))
    for index, value in enumerate(config.array("responseModalities") or ()):
        name = _MODALITIES[value] if isinstance(value, int) and 0 <= value < len(_MODALITIES) else value
        if name not in _MODALITIES[:2]:
            found.append(config.path(f"responseModalities[{index}]"))
    return found
