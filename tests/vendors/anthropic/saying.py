"""What the fake model says: it echoes the last user text under its own name and calls the tools that text names.

Marks in the last user text: "[refusal]" ends the answer with that stop reason, "[redacted]" hides its thinking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.vendors.anthropic.models import ModelRule
from tests.vendors.anthropic.thinking import redacted_block, thinking_block
from tests.vendors.anthropic.turns import merged
from tests.vendors.schema_instance import instance_of
from tests.vendors.sse import compact
from tests.vendors.tokens import count_tokens, cut_to_tokens


@dataclass(frozen=True, slots=True)
class Said:
    """A finished message."""

    content: tuple[dict[str, Any], ...]
    stop_reason: str
    stop_sequence: str | None = None

    @property
    def thinking_tokens(self) -> int:
        """Return the tokens of thinking, which are part of the output's."""
        return sum(_tokens(block) for block in self.content if "thinking" in block["type"])

    @property
    def output_tokens(self) -> int:
        """Return all output tokens; at least one, as on the live API."""
        return max(1, sum(_tokens(block) for block in self.content))


def say(body: Mapping[str, Any], rule: ModelRule, identity: str) -> Said:
    """Return what the model answers."""
    turns = merged(body["messages"])
    text = _last_text(turns)
    if not body["max_tokens"]:
        return Said((), "max_tokens")
    thought = _thought(body, rule, text)
    calls = _tool_calls(body, turns, text)
    if calls:
        return Said((*thought, *calls), "tool_use")
    if "[refusal]" in text:
        return Said(thought, "refusal")
    return _ended(body, thought, _text(body, rule, identity, text))


def _last_text(turns: list[tuple[str, list[dict[str, Any]]]]) -> str:
    """Return the last user's text, or what the tools answered where there is none beside it."""
    content: list[dict[str, Any]] = next((blocks for role, blocks in reversed(turns) if role == "user"), [])
    texts = [block["text"] for block in content if block["type"] == "text"]
    if texts:
        return "".join(texts)
    return " ".join(_result_text(block) for block in content if block["type"] == "tool_result")


def _result_text(block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(inner.get("text", "") for inner in content)


def _thought(body: Mapping[str, Any], rule: ModelRule, text: str) -> tuple[dict[str, Any], ...]:
    """What precedes the answer. Unasked, the models of 5.5 think where tools are offered, and do not show it."""
    config = body.get("thinking") or {}
    is_asked = config.get("type") in ("enabled", "adaptive")
    is_own = rule.thinks_unasked and not config and bool(body.get("tools"))
    if not is_asked and not is_own:
        return ()
    thought = f"They say: {text[:60]}"
    if "[redacted]" in text:
        return (redacted_block(thought),)
    shown = "omitted" if rule.thinks_unasked else "summarized"
    return (thinking_block(thought, is_shown=config.get("display", shown) == "summarized"),)


def _tool_calls(
    body: Mapping[str, Any], turns: list[tuple[str, list[dict[str, Any]]]], text: str
) -> tuple[dict[str, Any], ...]:
    tools, choice = body.get("tools") or [], body.get("tool_choice") or {"type": "auto"}
    if choice["type"] == "none":
        return ()
    is_answered = any(block["type"] == "tool_result" for block in turns[-1][1])
    wanted = [tool for tool in tools if not is_answered and tool["name"] in text]
    if choice["type"] == "tool":
        wanted = [tool for tool in tools if tool["name"] == choice["name"]]
    elif choice["type"] == "any":
        wanted = wanted or tools[:1]
    if choice.get("disable_parallel_tool_use"):
        wanted = wanted[:1]
    return tuple(_call(tool, text, place) for place, tool in enumerate(wanted))


def _call(tool: Mapping[str, Any], text: str, place: int) -> dict[str, Any]:
    digest = hashlib.sha256(f"{tool['name']}/{text}/{place}".encode()).hexdigest()[:24]
    value = instance_of(tool["input_schema"], text)
    return {"type": "tool_use", "id": f"toolu_{digest}", "name": tool["name"], "input": value}


def _text(body: Mapping[str, Any], rule: ModelRule, identity: str, text: str) -> str:
    echo = f"{identity}/{rule.id} echoes: {text}"
    wanted = (body.get("output_config") or {}).get("format")
    if wanted:
        return compact(instance_of(wanted["schema"], echo)).decode()
    return echo


def _ended(body: Mapping[str, Any], thought: tuple[dict[str, Any], ...], text: str) -> Said:
    """Return the message after stop sequences and the token limit did their work."""
    reason, sequence = "end_turn", None
    places = [(text.find(stop), stop) for stop in body.get("stop_sequences") or () if stop in text]
    if places:
        place, sequence = min(places)
        text, reason = text[:place], "stop_sequence"
    room = body["max_tokens"] - sum(_tokens(block) for block in thought)
    if count_tokens(text) > room:
        text, reason, sequence = cut_to_tokens(text, room), "max_tokens", None
    content = (*thought, {"type": "text", "text": text}) if text else thought
    return Said(content, reason, sequence)


def _tokens(block: Mapping[str, Any]) -> int:
    match block["type"]:
        case "text":
            return count_tokens(block["text"])
        case "tool_use":
            return count_tokens(block["name"]) + count_tokens(compact(block["input"]).decode())
        case "thinking":
            return count_tokens(block["signature"])
    return count_tokens(block["data"])
