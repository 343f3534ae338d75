"""Rules about the messages: what each holds, that every tool call is answered at once, and who speaks last."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from tests.vendors.anthropic.errors import Refusal
from tests.vendors.anthropic.models import ModelRule
from tests.vendors.anthropic.requests import OLD

Turn = tuple[str, list[dict[str, Any]]]  # role, blocks

MAX_MESSAGES = 100_000
TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
MAGIC = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
    "application/pdf": b"%PDF-",
}


def check_turns(body: Mapping[str, Any], rule: ModelRule, version: str) -> None:
    """Refuse messages out of order, empty ones, and content that cannot be read."""
    messages = body["messages"]
    if not messages:
        raise Refusal("messages: at least one message is required")
    if len(messages) > MAX_MESSAGES:
        raise Refusal(f"messages: too many messages, the maximum is {MAX_MESSAGES}")
    _check_system(body.get("system"))
    waiting: set[str] = set()
    seen: set[str] = set()
    turns = merged(messages)
    for place, (role, content) in enumerate(turns):
        path = f"messages.{place}"
        if role == "system":
            _check_system_turn(path, turns, place, rule, version)
        waiting = _check_tool_turn(path, role, content, waiting, seen)
        for index, block in enumerate(content):
            _check_block(f"{path}.content.{index}", role, block, version)
        if not content:
            raise Refusal(f"{path}: all messages must have non-empty content")
    if waiting:
        raise _unanswered(f"messages.{len(messages) - 1}", waiting)
    if messages[-1]["role"] == "assistant" and not rule.has_prefill:
        raise Refusal("This model does not support assistant message prefill. The conversation must end with a user.")


def merged(messages: list[dict[str, Any]]) -> list[Turn]:
    """Return (role, blocks) of each turn: neighbours of one role are one turn, a text is one block."""
    turns: list[Turn] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message["role"], blocks))
    return turns


def _check_system_turn(path: str, turns: list[Turn], place: int, rule: ModelRule, version: str) -> None:
    """After the user's turn, and at the end or before the assistant's; UNV that the older version has none."""
    if version == OLD or not rule.has_system_turns:
        raise Refusal(f"{path}: role 'system' is not supported on this model")
    before = turns[place - 1][0] if place else None
    after = turns[place + 1][0] if place + 1 < len(turns) else None
    if before != "user" or after not in (None, "assistant"):
        raise Refusal(f"{path}: a system message must follow a user message and be last or precede an assistant's")


def _check_system(system: Any) -> None:
    for index, block in enumerate(system if isinstance(system, list) else ()):
        if not block["text"].strip():
            raise Refusal(f"system.{index}: text content blocks must be non-empty")


def _check_tool_turn(
    path: str, role: str, content: list[dict[str, Any]], waiting: set[str], seen: set[str]
) -> set[str]:
    """Return the tool calls this turn leaves to be answered; refuse it where it does not answer those before it."""
    results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    if waiting and (role != "user" or not waiting <= set(results)):
        raise _unanswered(path, waiting - set(results))
    for index, block in enumerate(content):
        if block["type"] == "tool_result":
            if role != "user" or block["tool_use_id"] not in waiting:
                raise Refusal(
                    f"{path}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
            if index >= len(results):
                raise Refusal(f"{path}.content.{index}: tool_result blocks must come first in the message")
    if len(set(results)) != len(results):
        raise Refusal(f"{path}: each tool_use must have a single result")
    calls = [block["id"] for block in content if block["type"] == "tool_use"]
    if calls and role != "assistant":
        raise Refusal(f"{path}: `tool_use` blocks can only be in `assistant` messages")
    for call in calls:
        if not TOOL_ID.fullmatch(call):
            raise Refusal(f"{path}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if call in seen:
            raise Refusal(f"{path}: `tool_use` ids must be unique")
        seen.add(call)
    return set(calls)


def _unanswered(path: str, ids: set[str]) -> Refusal:
    return Refusal(
        f"{path}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(sorted(ids))}. "
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _check_block(path: str, role: str, block: dict[str, Any], version: str) -> None:
    match block["type"]:
        case "text":
            if not block["text"].strip():
                raise Refusal(f"{path}: text content blocks must contain non-whitespace text")
            if block.get("citations") and role == "user" and version != OLD:
                raise Refusal(f"{path}.citations: Extra inputs are not permitted")
        case "image" | "document":
            if role == "assistant" and block["type"] == "document" and version != OLD:
                raise Refusal(f"{path}: `document` blocks are not permitted in assistant messages")
            _check_source(path, block["source"])
        case "thinking" | "redacted_thinking" if role != "assistant":
            raise Refusal(f"{path}: `{block['type']}` blocks can only be in `assistant` messages")
        case "tool_result":
            content = block.get("content")
            for index, inner in enumerate(content if isinstance(content, list) else ()):
                _check_block(f"{path}.content.{index}", role, inner, version)
        case _:
            pass


def _check_source(path: str, source: dict[str, Any]) -> None:
    """Refuse data that is not what its media type says; only what comes as base64 is looked into."""
    if source["type"] != "base64":
        return
    try:
        data = base64.b64decode(source["data"], validate=True)
    except binascii.Error as error:
        raise Refusal(f"{path}.source.base64.data: Invalid base64 data") from error
    if not data.startswith(MAGIC[source["media_type"]]):
        raise Refusal(f"{path}.source.base64: the data does not match the media type {source['media_type']}")
