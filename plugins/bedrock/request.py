"""A chat as Converse takes it (vendors.md 8, botocore 1.44.5, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway import json
from gateway.types import Chat, File, Image, Message, OutputFormat, Target, Tool, ToolChoice, ToolResult, ToolUse

from .content import blocks, is_image_known

_ROLES = {"assistant": "assistant"}  # everything else is the user's here, tools' results too


def build(chat: Chat, target: Target) -> bytes:
    """Return the body. Raises InvalidRequest naming a part that Converse cannot take."""
    instructions, rest = _split(chat)
    body: dict[str, Any] = {"messages": list(_messages(rest))}
    if instructions:
        body["system"] = [{"text": text} for text in instructions]
    inference = {
        "maxTokens": chat.max_output_tokens,
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "stopSequences": [stop for stop in chat.stop if stop] or None,
    }
    given = {key: value for key, value in inference.items() if value is not None}
    if given:
        body["inferenceConfig"] = given
    if tools := _tool_config(chat):
        body["toolConfig"] = tools
    output = {"textFormat": _text_format(chat.output_format), "effort": chat.reasoning_effort}
    if any(output.values()):
        body["outputConfig"] = {key: value for key, value in output.items() if value is not None}
    if fields := target.model.options.get("fields"):
        body["additionalModelRequestFields"] = dict(fields)
    return json.dumps(body)


def lacking(chat: Chat, target: Target) -> frozenset[str]:
    """Return the parameters that have a place here, but not for the value given."""
    names = set()
    if chat.temperature is not None and chat.temperature > 1:
        names.add("temperature")
    if chat.reasoning_effort is not None and chat.reasoning_effort not in target.model.options.get("efforts", ()):
        names.add("reasoning_effort")
    if chat.output_format is not None and chat.output_format.kind == "json_object":
        names.add("output_format")
    return frozenset(names)


def refusal(chat: Chat) -> str | None:
    """Return what of the chat Converse has no form for."""
    parts = [part for message in chat.messages for part in message.parts]
    given = [inner for part in parts if isinstance(part, ToolResult) for inner in part.parts]
    for part in (*parts, *given):
        if isinstance(part, Image | File) and part.url is not None:
            return "takes no image or file by URL; send its content as base64"
        if isinstance(part, Image) and not is_image_known(part):
            return f"takes no image of type {part.media_type}; it takes png, jpeg, gif and webp"
        if isinstance(part, File) and part.file_id is not None:
            return "takes no file by another vendor's id; send its content as base64"
    if _forbids_tools(chat) and any(isinstance(part, ToolUse) for part in parts):
        return "cannot be kept from calling tools in a conversation that holds calls (tool_choice none)"
    if not chat.tools and any(isinstance(part, ToolUse | ToolResult) for part in parts):
        return "needs the tools again whose calls the conversation holds"
    if not any(message.role not in ("system", "developer") for message in chat.messages):
        return "needs a message of the user's besides instructions"
    return None


def _split(chat: Chat) -> tuple[list[str], list[Message]]:
    """Return the instructions, wherever they stand, and the conversation."""
    said = [message.text for message in chat.messages if message.role in ("system", "developer")]
    rest = [message for message in chat.messages if message.role not in ("system", "developer")]
    return [text for text in said if text], rest


def _messages(messages: list[Message]) -> Iterator[dict[str, Any]]:
    """Yield the messages with neighbours of one role together: Converse wants the roles to take turns."""
    current: dict[str, Any] | None = None
    for message in messages:
        role = _ROLES.get(message.role, "user")
        content = list(blocks(message.parts))
        if not content:
            continue
        if current is not None and current["role"] == role:
            current["content"] += content
            continue
        if current is not None:
            yield current
        current = {"role": role, "content": content}
    if current is not None:
        yield current


def _forbids_tools(chat: Chat) -> bool:
    return chat.tool_choice is not None and chat.tool_choice.mode == "none"


def _tool_config(chat: Chat) -> dict[str, Any] | None:
    """Return the tools. There is no choice `none`: it is said by giving none."""
    if not chat.tools or _forbids_tools(chat):
        return None
    config: dict[str, Any] = {"tools": [_tool(tool) for tool in chat.tools]}
    if choice := _tool_choice(chat.tool_choice):
        config["toolChoice"] = choice
    return config


def _tool(tool: Tool) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": dict(tool.parameters)}}
    if tool.description:
        spec["description"] = tool.description
    if tool.is_strict is not None:
        spec["strict"] = tool.is_strict
    return {"toolSpec": spec}


def _tool_choice(choice: ToolChoice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    match choice.mode:
        case "required":
            return {"any": {}}
        case "tool":
            return {"tool": {"name": choice.name}}
        case _:
            return {"auto": {}}


def _text_format(wanted: OutputFormat | None) -> dict[str, Any] | None:
    """The schema goes as a text within the JSON."""
    if wanted is None or wanted.kind != "json_schema":
        return None
    schema = {"schema": json.dumps(wanted.schema).decode(), "name": wanted.name, "description": wanted.description}
    given = {key: value for key, value in schema.items() if value is not None}
    return {"type": "json_schema", "structure": {"jsonSchema": given}}
