"""Chat rules the SDK's schema does not hold: numbers, lengths, fields that need each other, what a model refuses.

Numbers: vendors.md 1.1 (openai's OpenAPI file and SDK docstrings, 2026-11-23).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from tests.vendors.openai.errors import Refusal
from tests.vendors.openai.models import ModelRule
from tests.vendors.openai.requests import Range, check_count, check_length, check_ranges

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,(.*)", re.DOTALL)
RANGES = {
    "temperature": Range(0.0, 2),
    "top_p": Range(0.0, 1),
    "frequency_penalty": Range(-2.0, 2),
    "presence_penalty": Range(-2.0, 2),
    "top_logprobs": Range(0, 20),
    "n": Range(1, 128),
    "max_tokens": Range(1),
    "max_completion_tokens": Range(1),
}
SAMPLING = ("temperature", "top_p", "logprobs", "top_logprobs", "frequency_penalty", "presence_penalty", "logit_bias")
NOT_SIMULATED = ("audio", "functions", "function_call", "web_search_options", "moderation")


def check_limits(body: Mapping[str, Any], rule: ModelRule) -> None:
    """Refuse what OpenAI refuses although the SDK's type allows it."""
    check_ranges(body, RANGES)
    check_count("messages", len(body["messages"]), 1, 1_000_000)
    _check_messages(body["messages"])
    _check_sizes(body)
    _check_tools(body)
    _check_response_format(body)
    _check_dependencies(body)
    _check_model(body, rule)


def effort_of(body: Mapping[str, Any], rule: ModelRule) -> str:
    """Return the reasoning effort in force."""
    return body.get("reasoning_effort") or rule.default_effort


def _check_sizes(body: Mapping[str, Any]) -> None:
    stop = body.get("stop")
    if isinstance(stop, list):
        check_count("stop", len(stop), 1, 4)
    metadata = body.get("metadata") or {}
    check_count("metadata", len(metadata), 0, 16)
    for key, value in metadata.items():
        check_length("metadata", key, 1, 64)
        check_length(f"metadata.{key}", value, 0, 512)
    for token, bias in (body.get("logit_bias") or {}).items():
        check_ranges({f"logit_bias.{token}": bias}, {f"logit_bias.{token}": Range(-100, 100)})


def _check_messages(messages: list[dict[str, Any]]) -> None:
    """Refuse tool answers without a call, calls without their answers, and content that cannot be read."""
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                raise Refusal(f"Invalid parameter: {text}", f"messages.[{index}].role")
            waiting.discard(message["tool_call_id"])
        elif waiting:
            raise _unanswered(waiting, index)
        if message["role"] == "assistant":
            waiting = {call["id"] for call in message.get("tool_calls") or ()}
            if not waiting and message.get("content") is None and not message.get("refusal"):
                text = "Invalid value for 'content': expected a string, got null."
                raise Refusal(text, f"messages.[{index}].content")
        _check_parts(message.get("content"), index)
    if waiting:
        raise _unanswered(waiting, len(messages))


def _unanswered(call_ids: set[str], index: int) -> Refusal:
    text = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
    missing = f"The following tool_call_ids did not have response messages: {', '.join(sorted(call_ids))}"
    return Refusal(f"{text} {missing}", f"messages.[{index}].role")


def _check_parts(content: Any, index: int) -> None:
    if not isinstance(content, list):
        return
    check_count(f"messages[{index}].content", len(content), 1, 10_000)
    for place, part in enumerate(content):
        path = f"messages[{index}].content[{place}]"
        if part["type"] == "image_url":
            url = part["image_url"]["url"]
            data = DATA_URL.fullmatch(url)
            if not url.startswith(("http://", "https://")) and not (data and url.startswith("data:image/")):
                raise Refusal(f"Invalid '{path}.image_url.url'. Expected a valid URL.", path, "invalid_value")
            if data:
                _check_base64(data[1], path)
        elif part["type"] == "input_audio":
            _check_base64(part["input_audio"]["data"], path)


def _check_base64(data: str, path: str) -> None:
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise Refusal(f"Invalid '{path}': not valid base64.", path, "invalid_base64") from error


def _check_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools")
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not tools:
            text = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            raise Refusal(text, name)
    if tools is None:
        return
    check_count("tools", len(tools), 1, 128)
    names = set()
    for index, tool in enumerate(tools):
        definition = tool[tool["type"]]
        check_name(f"tools[{index}].{tool['type']}.name", definition["name"])
        names.add((tool["type"], definition["name"]))
        if definition.get("strict"):
            check_strict_schema(f"function '{definition['name']}'", definition.get("parameters", {}))
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] != "allowed_tools":
        wanted = choice[choice["type"]]["name"]
        if (choice["type"], wanted) not in names:
            raise Refusal(f"Tool choice '{wanted}' not found in 'tools' parameter.", "tool_choice")


def check_name(path: str, name: str) -> None:
    """Refuse a function or schema name outside `[a-zA-Z0-9_-]{1,64}`."""
    if not NAME.fullmatch(name):
        text = f"Invalid '{path}': string does not match pattern. Expected a string that matches '^[a-zA-Z0-9_-]+$'."
        raise Refusal(text, path, "invalid_value")


def check_strict_schema(what: str, schema: Any) -> None:
    """Refuse objects that strict structured outputs cannot guarantee: open ones, and ones with optional properties."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            if schema.get("additionalProperties") is not False:
                text = "'additionalProperties' is required to be supplied and to be false."
                raise Refusal(f"Invalid schema for {what}: {text}", None, "invalid_json_schema")
            if set(schema.get("required", ())) != set(schema.get("properties", {})):
                text = "'required' is required to be supplied and to be an array including every key in properties."
                raise Refusal(f"Invalid schema for {what}: {text}", None, "invalid_json_schema")
        for child in schema.values():
            check_strict_schema(what, child)
    elif isinstance(schema, list):
        for child in schema:
            check_strict_schema(what, child)


def _check_response_format(body: Mapping[str, Any]) -> None:
    wanted = body.get("response_format") or {"type": "text"}
    if wanted["type"] == "json_object" and "json" not in str(body["messages"]).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise Refusal(text, "messages")
    if wanted["type"] != "json_schema":
        return
    schema = wanted["json_schema"]
    check_name("response_format.json_schema.name", schema["name"])
    if "schema" not in schema:
        path = "response_format.json_schema.schema"
        raise Refusal(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    if schema.get("strict"):
        check_strict_schema(f"response_format '{schema['name']}'", schema["schema"])


def _check_dependencies(body: Mapping[str, Any]) -> None:
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refusal("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise Refusal("'logprobs' must be set to true to use 'top_logprobs'.", "top_logprobs")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        text = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise Refusal(text, "max_tokens")


def _check_model(body: Mapping[str, Any], rule: ModelRule) -> None:
    for name in NOT_SIMULATED:
        if body.get(name) is not None:
            raise _unsupported(name, "is not supported with this model")
    if "audio" in (body.get("modalities") or ()):
        raise _unsupported("modalities", "with 'audio' is not supported with this model")
    effort = body.get("reasoning_effort")
    if not rule.efforts:
        if effort is not None:
            raise Refusal("Unrecognized request argument supplied: reasoning_effort")
        return
    if effort is not None and effort not in rule.efforts:
        supported = ", ".join(f"'{name}'" for name in rule.efforts)
        text = f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
        raise Refusal(f"{text} Supported values are: {supported}.", "reasoning_effort", "unsupported_value")
    if body.get("max_tokens") is not None:
        raise _unsupported("max_tokens", "is not supported with this model. Use 'max_completion_tokens' instead")
    if body.get("stop") is not None:
        raise _unsupported("stop", "is not supported with this model")
    if effort_of(body, rule) == "none":
        return
    for name in SAMPLING:
        if body.get(name) is not None:
            raise _unsupported(name, "is not supported with this model unless 'reasoning_effort' is 'none'")
    if body.get("tools") and not rule.has_tools_with_effort:
        text = f"Function tools with reasoning_effort are not supported for {rule.id} in /v1/chat/completions. "
        remedy = "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
        raise Refusal(text + remedy, "reasoning_effort")


def _unsupported(name: str, why: str) -> Refusal:
    return Refusal(f"Unsupported parameter: '{name}' {why}.", name, "unsupported_parameter")
