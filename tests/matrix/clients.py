"""The vendors' own clients, each behind the same few verbs, so that one test serves them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

Schema = Mapping[str, Any]
MAX_TOKENS = 20_000


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as the client shows it. `reason` is one of stop, length, tool_calls, content_filter."""

    text: str
    reason: str
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    chunks: int = 1
    turn: Any = field(default=None, repr=False)  # what the client has to send back in the next request


class Failed(Exception):
    """The client raised its own error for a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Client(Protocol):
    """One vendor's client. `tools` maps names to their schemas."""

    async def ask(
        self, model: str, text: str, *, tools: Mapping[str, Schema] | None = None, schema: Schema | None = None,
        image_b64: str | None = None,
    ) -> Heard: ...  # fmt: skip

    async def stream(self, model: str, text: str) -> Heard: ...

    async def follow_up(
        self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Mapping[str, Schema]
    ) -> Heard: ...


class OpenAIClient:
    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="any", max_retries=0)
        stack.push_async_callback(self._client.close)

    async def ask(
        self, model: str, text: str, *, tools: Mapping[str, Schema] | None = None, schema: Schema | None = None,
        image_b64: str | None = None,
    ) -> Heard:  # fmt: skip
        content: Any = text
        if image_b64 is not None:
            url = {"url": f"data:image/png;base64,{image_b64}"}
            content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": url}]
        more: dict[str, Any] = {}
        if tools:
            more["tools"] = self._tools(tools)
        if schema is not None:
            json_schema = {"name": "answer", "schema": schema, "strict": True}
            more["response_format"] = {"type": "json_schema", "json_schema": json_schema}
        return await self._create(model, [{"role": "user", "content": content}], more)

    async def stream(self, model: str, text: str) -> Heard:
        pieces: list[str] = []
        reason = ""
        usage = None
        stream = await self._client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                if choice.delta.content:
                    pieces.append(choice.delta.content)
                reason = choice.finish_reason or reason
        assert usage is not None
        return Heard("".join(pieces), reason, (), usage.prompt_tokens, usage.completion_tokens, len(pieces))

    async def follow_up(
        self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Mapping[str, Schema]
    ) -> Heard:
        answers = [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(heard.turn.tool_calls, results, strict=True)
        ]
        said = heard.turn.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
        messages = [{"role": "user", "content": text}, said, *answers]
        return await self._create(model, messages, {"tools": self._tools(tools)})

    async def _create(self, model: str, messages: list[Any], more: dict[str, Any]) -> Heard:
        try:
            answer = await self._client.chat.completions.create(model=model, messages=messages, **more)
        except openai.APIStatusError as error:
            raise Failed(error.status_code, error.message) from error
        choice = answer.choices[0]
        calls = tuple(
            (call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or ()
            if call.type == "function"
        )
        assert answer.usage is not None
        usage = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        return Heard(choice.message.content or "", choice.finish_reason, calls, *usage, turn=choice.message)

    @staticmethod
    def _tools(tools: Mapping[str, Schema]) -> list[Any]:
        return [
            {"type": "function", "function": {"name": name, "description": name, "parameters": schema}}
            for name, schema in tools.items()
        ]


class AnthropicClient:
    REASONS = MappingProxyType(
        {
            "end_turn": "stop",
            "stop_sequence": "stop",
            "max_tokens": "length",
            "tool_use": "tool_calls",
            "refusal": "content_filter",
        }
    )

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._client = anthropic.AsyncAnthropic(base_url=url + "/anthropic", api_key="any", max_retries=0)
        stack.push_async_callback(self._client.close)

    async def ask(
        self, model: str, text: str, *, tools: Mapping[str, Schema] | None = None, schema: Schema | None = None,
        image_b64: str | None = None,
    ) -> Heard:  # fmt: skip
        content: Any = text
        if image_b64 is not None:
            source = {"type": "base64", "media_type": "image/png", "data": image_b64}
            content = [{"type": "text", "text": text}, {"type": "image", "source": source}]
        more: dict[str, Any] = {}
        if tools:
            more["tools"] = self._tools(tools)
        if schema is not None:
            more["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return await self._create(model, [{"role": "user", "content": content}], more)

    async def stream(self, model: str, text: str) -> Heard:
        pieces: list[str] = []
        messages: list[Any] = [{"role": "user", "content": text}]
        async with self._client.messages.stream(model=model, max_tokens=MAX_TOKENS, messages=messages) as stream:
            async for piece in stream.text_stream:
                pieces.append(piece)
            answer = await stream.get_final_message()
        heard = self._heard(answer)
        assert heard.text == "".join(pieces)
        return Heard(heard.text, heard.reason, (), heard.input_tokens, heard.output_tokens, len(pieces))

    async def follow_up(
        self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Mapping[str, Schema]
    ) -> Heard:
        used = [block for block in heard.turn.content if block.type == "tool_use"]
        answers = [
            {"type": "tool_result", "tool_use_id": block.id, "content": result}
            for block, result in zip(used, results, strict=True)
        ]
        said = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in heard.turn.content]}
        messages = [{"role": "user", "content": text}, said, {"role": "user", "content": answers}]
        return await self._create(model, messages, {"tools": self._tools(tools)})

    async def _create(self, model: str, messages: list[Any], more: dict[str, Any]) -> Heard:
        try:
            answer = await self._client.messages.create(model=model, max_tokens=MAX_TOKENS, messages=messages, **more)
        except anthropic.APIStatusError as error:
            raise Failed(error.status_code, error.message) from error
        return self._heard(answer)

    def _heard(self, answer: Any) -> Heard:
        text = "".join(block.text for block in answer.content if block.type == "text")
        calls = tuple((block.name, block.input) for block in answer.content if block.type == "tool_use")
        usage = answer.usage
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        tokens = (usage.input_tokens + read + written, usage.output_tokens)
        return Heard(text, self.REASONS[answer.stop_reason], calls, *tokens, turn=answer)

    @staticmethod
    def _tools(tools: Mapping[str, Schema]) -> list[Any]:
        return [{"name": name, "description": name, "input_schema": schema} for name, schema in tools.items()]


class GeminiClient:
    REASONS = MappingProxyType(
        {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "PROHIBITED_CONTENT": "content_filter"}
    )

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        options = genai_types.HttpOptions(base_url=url + "/gemini", api_version="v1beta")
        self._client = genai.Client(api_key="any", http_options=options)
        stack.push_async_callback(self._client.aio.aclose)

    async def ask(
        self, model: str, text: str, *, tools: Mapping[str, Schema] | None = None, schema: Schema | None = None,
        image_b64: str | None = None,
    ) -> Heard:  # fmt: skip
        parts: list[Any] = [{"text": text}]
        if image_b64 is not None:
            parts.append({"inline_data": {"mime_type": "image/png", "data": image_b64}})
        config: dict[str, Any] = {}
        if tools:
            config |= self._tools(tools)
        if schema is not None:
            config |= {"response_mime_type": "application/json", "response_json_schema": schema}
        return await self._create(model, [{"role": "user", "parts": parts}], config)

    async def stream(self, model: str, text: str) -> Heard:
        pieces: list[str] = []
        last: Any = None
        reason = ""
        async for chunk in await self._client.aio.models.generate_content_stream(model=model, contents=text):
            if chunk.text:
                pieces.append(chunk.text)
            if chunk.candidates and chunk.candidates[0].finish_reason:
                reason = self.REASONS[chunk.candidates[0].finish_reason.value]
            last = chunk.usage_metadata or last
        return Heard("".join(pieces), reason, (), *self._tokens(last), len(pieces))

    async def follow_up(
        self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Mapping[str, Schema]
    ) -> Heard:
        used = [part.function_call for part in heard.turn.parts if part.function_call]
        answers = [
            {"function_response": {"id": call.id, "name": call.name, "response": {"result": result}}}
            for call, result in zip(used, results, strict=True)
        ]
        contents = [{"role": "user", "parts": [{"text": text}]}, heard.turn, {"role": "user", "parts": answers}]
        return await self._create(model, contents, self._tools(tools))

    async def _create(self, model: str, contents: list[Any], config: dict[str, Any]) -> Heard:
        config["automatic_function_calling"] = {"disable": True}
        try:
            answer = await self._client.aio.models.generate_content(model=model, contents=contents, config=config)  # type: ignore[arg-type]
        except genai_errors.APIError as error:
            raise Failed(error.code, error.message or "") from error
        if not answer.candidates:
            return Heard("", "content_filter", (), *self._tokens(answer.usage_metadata))
        candidate = answer.candidates[0]
        parts = (candidate.content.parts if candidate.content else None) or []
        text = "".join(part.text for part in parts if part.text and not part.thought)
        calls = tuple(
            (part.function_call.name or "", part.function_call.args or {}) for part in parts if part.function_call
        )
        assert candidate.finish_reason is not None
        reason = "tool_calls" if calls else self.REASONS[candidate.finish_reason.value]
        return Heard(text, reason, calls, *self._tokens(answer.usage_metadata), turn=candidate.content)

    @staticmethod
    def _tokens(usage: Any) -> tuple[int, int]:
        return usage.prompt_token_count or 0, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)

    @staticmethod
    def _tools(tools: Mapping[str, Schema]) -> dict[str, Any]:
        declared = [
            {"name": name, "description": name, "parameters_json_schema": schema} for name, schema in tools.items()
        ]
        return {"tools": [{"function_declarations": declared}]}


CLIENTS: Mapping[str, Callable[[str, AsyncExitStack], Client]] = {
    "openai": OpenAIClient,
    "anthropic": AnthropicClient,
    "google-genai": GeminiClient,
}
