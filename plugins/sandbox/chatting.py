"""What the sandbox says in a chat: decided from the request alone, so the same request always gets the same answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from gateway.json import dumps

from . import tokens
from .instances import instance
from .library import Library
from .options import Options
from .pace import Step
from .schema import CannotMake
from .wire import end_line, line


class UnknownTool(ValueError):
    """The request asks for a call of a tool that it does not offer."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: text or tool calls, and why it ends."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reason: str = "stop"

    @property
    def output_tokens(self) -> int:
        return tokens.count(self.text) + sum(tokens.count(call.name + call.arguments) for call in self.calls)


def decide(request: Mapping[str, Any], library: Library) -> Said:
    """Return the answer to a chat in the form of `asking.chat_request`. Raises CannotMake, UnknownTool."""
    said = _said(request, library)
    for stop in request["stop"]:
        said = replace(said, text=said.text.split(stop, 1)[0] if stop else said.text)
    return _limited(said, request["max_output_tokens"])


def input_tokens(request: Mapping[str, Any]) -> int:
    """Return the size of the prompt: every part of every message, and every tool, is counted for itself."""
    parts = [part for message in request["messages"] for part in message["parts"]]
    texts = [part["text"] for part in parts if "text" in part]
    texts += [
        tool["name"] + (tool["description"] or "") + dumps(tool["parameters"]).decode() for tool in request["tools"]
    ]
    media: int = sum(part.get("media", 0) for part in parts)
    return sum(map(tokens.count, texts)) + media * tokens.MEDIA_TOKENS


def steps(said: Said, request: Mapping[str, Any], options: Options) -> Iterator[Step]:
    """Yield the lines of the answer, once for each choice, at the pace of the options."""
    count: int = request["n"]
    token_s = 1 / options.tokens_per_s if options.tokens_per_s else 0.0
    at_s, done_tokens = options.first_delay_s, 0.0
    for choice in range(count):
        for value, size in _pieces(said):
            yield Step(at_s + done_tokens * token_s, line({**value, "choice": choice}))
            done_tokens += size
    at_s += done_tokens * token_s
    usage = {"input_tokens": input_tokens(request), "output_tokens": said.output_tokens * count}
    yield Step(at_s, line({"usage": usage}), is_content=False)
    yield Step(at_s, end_line([said.reason] * count), is_content=False)


def _pieces(said: Said) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield each piece with its size in tokens."""
    for piece in tokens.pieces(said.text):
        yield {"text": piece}, len(piece.encode()) / tokens.TOKEN_BYTES
    for position, call in enumerate(said.calls):
        yield {"tool": position, "id": call.id, "name": call.name, "arguments": ""}, tokens.count(call.name)
        for piece in tokens.pieces(call.arguments):
            yield {"tool": position, "arguments": piece}, len(piece.encode()) / tokens.TOKEN_BYTES


# ---------------------------------------------------------------- the decision


def _said(request: Mapping[str, Any], library: Library) -> Said:
    messages: Sequence[Mapping[str, Any]] = request["messages"]
    results = _results(messages)
    user_text = _user_text(messages)
    named = [] if results else _wanted(request, user_text)
    if named:
        return Said(calls=tuple(_called(tool, at, messages) for at, tool in enumerate(named)), reason="tool_calls")
    text = "\n".join(results) if results else library.answer(user_text) or user_text
    wanted = request["format"] or {"kind": "text"}
    if wanted["kind"] == "json_object":
        text = dumps({"answer": text}).decode()
    if wanted["kind"] == "json_schema":
        text = _json(instance(wanted["schema"] or {}))
    return Said(text)


def _results(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts of the tool results that the chat ends with."""
    results: list[str] = []
    for message in reversed(messages):
        found = [part["text"] for part in message["parts"] if part["kind"] == "tool_result"]
        if not found:
            break
        results = found + results
    return results


def _user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message["role"] == "user":
            text = "".join(part["text"] for part in message["parts"] if part["kind"] == "text")
            media = sum(part.get("media", 0) for part in message["parts"])
            return text or f"The message has no text, and {media} attachment(s) the sandbox does not look into."
    return "There is no user message to answer."


def _wanted(request: Mapping[str, Any], user_text: str) -> list[Mapping[str, Any]]:
    """Return the tools to call: those that the text names, or the one that must be called."""
    offered: Sequence[Mapping[str, Any]] = request["tools"]
    choice = request["tool_choice"] or {"mode": "auto", "name": None}
    if choice["mode"] == "none" or not offered:
        return []
    if choice["mode"] == "tool":
        named = [tool for tool in offered if tool["name"] == choice["name"]]
        if not named:
            raise UnknownTool(f"tool_choice names '{choice['name']}', which is not among the tools")
        return named[:1]
    named = [tool for tool in offered if _is_named(tool["name"], user_text)]
    if not named and choice["mode"] == "required":
        named = [offered[0]]
    return named[:1] if request["parallel_tool_calls"] is False else named


def _is_named(name: str, text: str) -> bool:
    """`get_weather` is named by itself and by "get weather"."""
    spelled = r"[\s_-]+".join(re.escape(part) for part in re.split(r"[_\-]+", name) if part)
    return bool(spelled) and re.search(rf"(?<!\w){spelled}(?!\w)", text, re.IGNORECASE) is not None


def _called(tool: Mapping[str, Any], position: int, messages: Sequence[Any]) -> ToolCall:
    arguments = _json(instance({"type": "object", **tool["parameters"]}))
    seed = f"{len(messages)} {position} {tool['name']} {arguments}"
    return ToolCall("call_" + blake2b(seed.encode(), digest_size=12).hexdigest(), tool["name"], arguments)


def _json(value: Any) -> str:
    try:
        return dumps(value).decode()
    except TypeError as error:
        raise CannotMake(f"the instance of the schema cannot be written as JSON: {error}") from error


def _limited(said: Said, most: int | None) -> Said:
    """Return what fits into `most` tokens; a tool call that does not fit breaks off in its arguments, as models do."""
    if most is None or said.output_tokens <= most:
        return said
    left = most - tokens.count(said.text)
    calls: list[ToolCall] = []
    for call in said.calls:
        fitting = tokens.first(call.name + call.arguments, left)
        if len(fitting) < len(call.name):
            break
        calls.append(replace(call, arguments=fitting[len(call.name) :]))
        left -= tokens.count(fitting)
    return Said(tokens.first(said.text, most), tuple(calls), "length")
