"""What a request to /responses means, as the chat that the fake model answers; and what its input may not be.

Wire format: vendors.md 1.2 (openai 3.54.0). Written from the SDK's types, not from the gateway's mapping.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.vendors.openai.errors import Refusal

SIMULATED_ITEMS = {"message", "function_call", "function_call_output", "reasoning", "custom_tool_call"}
SIMULATED_ITEMS |= {"custom_tool_call_output"}


def seal_of(reasoning_id: str) -> str:
    """Return the encrypted content of a reasoning item: the only text that may come back with its id."""
    return "enc_" + hashlib.sha256(reasoning_id.encode()).hexdigest()[:32]


def as_chat(body: Mapping[str, Any], remembered: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the body of the chat completion that says the same; refuse items that do not fit together."""
    messages = [*remembered]
    if body.get("instructions"):
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    messages += _messages(body["input"])
    _check_calls(messages)
    chat: dict[str, Any] = {"model": body["model"], "messages": messages}
    if body.get("tools"):
        chat["tools"] = [_tool(tool, index) for index, tool in enumerate(body["tools"])]
    choice = body.get("tool_choice")
    if choice is not None:
        chat["tool_choice"] = _choice(choice)
    if body.get("parallel_tool_calls") is not None:
        chat["parallel_tool_calls"] = body["parallel_tool_calls"]
    wanted = (body.get("text") or {}).get("format")
    if wanted is not None:
        chat["response_format"] = _format(wanted)
    effort = (body.get("reasoning") or {}).get("effort")
    if effort is not None:
        chat["reasoning_effort"] = effort
    if body.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    return chat


def _messages(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    messages: list[dict[str, Any]] = []
    for index, item in enumerate(value):
        for message in _read(item, index):
            last = messages[-1] if messages else None
            if last is not None and last["role"] == message["role"] == "assistant":
                last["tool_calls"] = last.get("tool_calls", []) + message.get("tool_calls", [])
                last["content"] = last.get("content") or message.get("content")
            else:
                messages.append(message)
    return messages


def _read(item: Mapping[str, Any], index: int) -> Iterator[dict[str, Any]]:
    kind = item.get("type", "message")
    if kind not in SIMULATED_ITEMS:
        raise Refusal(f"The simulator has no input items of type '{kind}'.", f"input[{index}]")
    match kind:
        case "message":
            yield {"role": item["role"], "content": _content(item["content"], index)}
        case "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            yield {
                "role": "assistant",
                "tool_calls": [{"id": item["call_id"], "type": "function", "function": function}],
            }
        case "custom_tool_call":
            custom = {"name": item["name"], "input": item["input"]}
            yield {"role": "assistant", "tool_calls": [{"id": item["call_id"], "type": "custom", "custom": custom}]}
        case "reasoning":
            _check_reasoning(item, index)
        case _:
            yield {"role": "tool", "tool_call_id": item["call_id"], "content": _content(item["output"], index)}


def _content(content: Any, index: int) -> Any:
    """Return a chat's content; each part is checked as the live API does."""
    if isinstance(content, str):
        return content
    return [_part(part, f"input[{index}].content[{place}]") for place, part in enumerate(content)]


def _part(part: Mapping[str, Any], path: str) -> dict[str, Any]:
    match part["type"]:
        case "input_image":
            url = part.get("image_url") or ""
            if not url.startswith(("http://", "https://", "data:image/")) and not part.get("file_id"):
                raise Refusal(f"Invalid '{path}.image_url'. Expected a valid URL.", path, "invalid_value")
            return {"type": "image_url", "image_url": {"url": url}}
        case "input_file":
            if sum(part.get(name) is not None for name in ("file_data", "file_id", "file_url")) != 1:
                text = "exactly one of 'file_data', 'file_id' and 'file_url' has to be given."
                raise Refusal(f"Invalid '{path}': {text}", path)
            return {"type": "file", "file": {}}
        case "refusal":
            return {"type": "text", "text": part["refusal"]}
    return {"type": "text", "text": part["text"]}


def _check_reasoning(item: Mapping[str, Any], index: int) -> None:
    sealed = item.get("encrypted_content")
    if sealed is not None and sealed != seal_of(item["id"]):
        text = f"The encrypted content for item {item['id']} could not be verified."
        raise Refusal(text, f"input[{index}]", "invalid_encrypted_content")
    if sealed is None:
        text = f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false."
        raise Refusal(text, "input", None, 404)


def _check_calls(messages: list[dict[str, Any]]) -> None:
    waiting: dict[str, None] = {}
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                text = f"No tool call found for function call output with call_id {message['tool_call_id']}."
                raise Refusal(text, "input")
            del waiting[message["tool_call_id"]]
        waiting |= dict.fromkeys(call["id"] for call in message.get("tool_calls") or ())
    if waiting:
        raise Refusal(f"No tool output found for function call {next(iter(waiting))}.", "input")


def _tool(tool: Mapping[str, Any], index: int) -> dict[str, Any]:
    if tool["type"] not in ("function", "custom"):
        raise Refusal(f"The simulator has no tools of type '{tool['type']}'.", f"tools[{index}]")
    return {"type": tool["type"], tool["type"]: {key: value for key, value in tool.items() if key != "type"}}


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    if choice["type"] == "allowed_tools":
        tools = [{"type": tool["type"], tool["type"]: {"name": tool["name"]}} for tool in choice["tools"]]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice["mode"], "tools": tools}}
    if choice["type"] not in ("function", "custom"):
        raise Refusal(f"The simulator has no tool choice of type '{choice['type']}'.", "tool_choice")
    return {"type": choice["type"], choice["type"]: {"name": choice["name"]}}


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    if wanted["type"] != "json_schema":
        return dict(wanted)
    schema = {key: value for key, value in wanted.items() if key != "type"}
    return {"type": "json_schema", "json_schema": schema}
