"""What the fake model says: it echoes the last user text under its own name and calls the tools that text names.

Nothing else of the prompt is interpreted. Two marks in the last user text end an answer specially: "[refusal]" makes
the model refuse, "[content_filter]" ends it with that finish reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.vendors.openai.chat_limits import effort_of
from tests.vendors.openai.models import ModelRule
from tests.vendors.schema_instance import instance_of
from tests.vendors.sse import compact
from tests.vendors.tokens import count_tokens, cut_to_tokens

REFUSAL_TEXT = "I'm sorry, I can't help with that."
# One deterministic amount of hidden thinking per effort; part of completion_tokens, as on the live API.
REASONING_TOKENS = {"none": 0, "minimal": 8, "low": 16, "medium": 32, "high": 64, "xhigh": 128, "max": 256}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call; `arguments` is JSON text for functions and plain text for custom tools."""

    id: str
    kind: str  # "function" or "custom"
    name: str
    arguments: str

    def as_json(self) -> dict[str, Any]:
        """Return the call as a message holds it."""
        key = "arguments" if self.kind == "function" else "input"
        return {"id": self.id, "type": self.kind, self.kind: {"name": self.name, key: self.arguments}}


@dataclass(frozen=True, slots=True)
class Choice:
    """One finished alternative."""

    index: int
    content: str | None
    finish_reason: str
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()

    def tokens(self) -> int:
        """Return the visible completion tokens."""
        calls = sum(count_tokens(call.name) + count_tokens(call.arguments) for call in self.tool_calls)
        return count_tokens(self.content or "") + count_tokens(self.refusal or "") + calls


def choices_of(body: Mapping[str, Any], rule: ModelRule, identity: str) -> tuple[Choice, ...]:
    """Return the `n` choices of an answer."""
    return tuple(_choice(body, rule, identity, index) for index in range(body.get("n") or 1))


def reasoning_tokens(body: Mapping[str, Any], rule: ModelRule) -> int:
    """Return the reasoning tokens of one choice; at most `max_completion_tokens`."""
    wanted = REASONING_TOKENS[effort_of(body, rule)] if rule.efforts else 0
    return min(wanted, body.get("max_completion_tokens") or wanted)


def echo_text(identity: str, model: str, text: str) -> str:
    """Return what the fake model answers to a text."""
    return f"{identity}/{model} echoes: {text}"


def last_text(messages: list[dict[str, Any]]) -> str:
    """Return the last user message's text, or what the tools answered when their answers come last."""
    tail: list[str] = []
    for message in reversed(messages):
        if message["role"] == "tool":
            tail.append(text_of(message["content"]))
        elif tail:
            break
        elif message["role"] == "user":
            return text_of(message["content"])
    return " ".join(reversed(tail))


def text_of(content: Any) -> str:
    """Return the text of a message's content, parts joined by nothing."""
    if isinstance(content, list):
        return "".join(part.get("text") or part.get("refusal") or "" for part in content)
    return content or ""


def _choice(body: Mapping[str, Any], rule: ModelRule, identity: str, index: int) -> Choice:
    text = last_text(body["messages"])
    calls = _tool_calls(body, text, index)
    if calls:
        return Choice(index, None, "tool_calls", tool_calls=calls)
    if "[refusal]" in text:
        return Choice(index, None, "stop", refusal=REFUSAL_TEXT)
    content = _content(body, rule, identity, text)
    if index and not body.get("response_format"):
        content += f" (#{index})"
    if "[content_filter]" in text:
        return Choice(index, content.partition("[content_filter]")[0], "content_filter")
    return _ended(body, rule, index, content)


def _content(body: Mapping[str, Any], rule: ModelRule, identity: str, text: str) -> str:
    wanted = body.get("response_format") or {"type": "text"}
    echo = echo_text(identity, rule.id, text)
    match wanted["type"]:
        case "json_schema":
            return compact(instance_of(wanted["json_schema"]["schema"], echo)).decode()
        case "json_object":
            return compact({"echo": echo}).decode()
    return echo


def _ended(body: Mapping[str, Any], rule: ModelRule, index: int, content: str) -> Choice:
    """Return the choice after stop strings and the token limit did their work."""
    stops = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or []
    places = [content.find(stop) for stop in stops if stop and stop in content]
    content = content[: min(places)] if places else content
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None and count_tokens(content) > limit - reasoning_tokens(body, rule):
        return Choice(index, cut_to_tokens(content, limit - reasoning_tokens(body, rule)), "length")
    return Choice(index, content, "stop")


def _tool_calls(body: Mapping[str, Any], text: str, index: int) -> tuple[ToolCall, ...]:
    """Return calls of the tools the text names; a forced choice calls one in any case."""
    tools, choice = body.get("tools") or [], body.get("tool_choice") or "auto"
    if choice == "none":
        return ()
    if body.get("stream"):  # the SDK's delta type knows function calls only
        tools = [tool for tool in tools if tool["type"] == "function"]
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        allowed = choice["allowed_tools"]
        names = {tool[tool["type"]]["name"] for tool in allowed["tools"]}
        tools, choice = [tool for tool in tools if _name(tool) in names], allowed["mode"]
    if isinstance(choice, dict):
        wanted = [tool for tool in tools if _name(tool) == choice[choice["type"]]["name"]]
    else:
        is_new_turn = body["messages"][-1]["role"] == "user"
        wanted = [tool for tool in tools if is_new_turn and _name(tool) in text]
        wanted = wanted or (tools[:1] if choice == "required" else [])
    if body.get("parallel_tool_calls") is False:
        wanted = wanted[:1]
    return tuple(_call(tool, text, index, place) for place, tool in enumerate(wanted))


def _call(tool: Mapping[str, Any], text: str, index: int, place: int) -> ToolCall:
    name = _name(tool)
    digest = hashlib.sha256(f"{name}/{text}/{index}/{place}".encode()).hexdigest()[:24]
    if tool["type"] == "custom":
        return ToolCall(f"call_{digest}", "custom", name, text)
    parameters = tool["function"].get("parameters") or {"type": "object", "properties": {}}
    return ToolCall(f"call_{digest}", "function", name, compact(instance_of(parameters, text)).decode())


def _name(tool: Mapping[str, Any]) -> str:
    name: str = tool[tool["type"]]["name"]
    return name
