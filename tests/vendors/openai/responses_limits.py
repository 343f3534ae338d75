"""Rules of /responses that the SDK's schema does not hold. Numbers: openai's OpenAPI file, 2026-11-23."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.vendors.openai.chat_limits import check_name, check_strict_schema, effort_of
from tests.vendors.openai.errors import Refusal
from tests.vendors.openai.models import ModelRule
from tests.vendors.openai.requests import Range, check_count, check_length, check_ranges

RANGES = {
    "temperature": Range(0.0, 2),
    "top_p": Range(0.0, 1),
    "top_logprobs": Range(0, 20),
    "max_output_tokens": Range(16),  # UNV: the live API refuses less
}
SAMPLING = ("temperature", "top_p", "top_logprobs")
NOT_SIMULATED = ("conversation", "prompt", "background", "context_management", "moderation")
SEALED = "reasoning.encrypted_content"


def check_limits(body: Mapping[str, Any], chat: Mapping[str, Any], rule: ModelRule) -> None:
    """Refuse what OpenAI refuses although the SDK's type allows it; `chat` is the same request as a chat."""
    check_ranges(body, RANGES)
    if not isinstance(body["input"], str):
        check_count("input", len(body["input"]), 1, 1_000_000)
    metadata = body.get("metadata") or {}
    check_count("metadata", len(metadata), 0, 16)
    for key, value in metadata.items():
        check_length("metadata", key, 1, 64)
        check_length(f"metadata.{key}", value, 0, 512)
    for name in NOT_SIMULATED:
        if body.get(name):
            raise Refusal(f"The simulator has no '{name}'.", name, "unsupported_parameter")
    _check_tools(body)
    _check_format(body)
    _check_model(body, chat, rule)


def _check_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools") or []
    for index, tool in enumerate(tools):
        check_name(f"tools[{index}].name", tool["name"])
        if tool.get("strict"):
            check_strict_schema(f"function '{tool['name']}'", tool["parameters"])
    choice = body.get("tool_choice")
    if choice == "required" and not tools:
        raise Refusal("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
    known = {(tool["type"], tool["name"]) for tool in tools}
    if isinstance(choice, dict) and "name" in choice and (choice["type"], choice["name"]) not in known:
        raise Refusal(f"Tool choice '{choice['name']}' not found in 'tools' parameter.", "tool_choice")


def _check_format(body: Mapping[str, Any]) -> None:
    wanted = (body.get("text") or {}).get("format") or {"type": "text"}
    if wanted["type"] == "json_object" and "json" not in str(body["input"]).lower():
        text = (
            "Response input messages must contain the word 'json' in some form to use 'text.format' of 'json_object'."
        )
        raise Refusal(text, "input")
    if wanted["type"] != "json_schema":
        return
    check_name("text.format.name", wanted["name"])
    if wanted.get("strict"):
        check_strict_schema(f"response_format '{wanted['name']}'", wanted["schema"])


def _check_model(body: Mapping[str, Any], chat: Mapping[str, Any], rule: ModelRule) -> None:
    effort = (body.get("reasoning") or {}).get("effort")
    if not rule.efforts:
        if effort is not None:
            raise _unsupported("reasoning.effort")
        if SEALED in (body.get("include") or ()):
            raise Refusal("Encrypted content is not supported with this model.", "include")
        return
    if effort is not None and effort not in rule.efforts:
        text = f"Unsupported value: 'reasoning.effort' does not support '{effort}' with this model."
        raise Refusal(text, "reasoning.effort", "unsupported_value")
    if effort_of(chat, rule) == "none":
        return
    for name in SAMPLING:
        if body.get(name) is not None:
            raise _unsupported(name)


def _unsupported(name: str) -> Refusal:
    text = f"Unsupported parameter: '{name}' is not supported with this model."
    return Refusal(text, name, "unsupported_parameter")
