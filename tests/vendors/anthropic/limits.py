"""Rules the SDK's types do not hold: numbers, lengths, names, schemas, what a version or a model refuses.

Numbers: vendors.md 2 (2026-11-23). UNV marks what was not checked live.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.vendors.anthropic import thinking
from tests.vendors.anthropic.errors import Refusal
from tests.vendors.anthropic.models import ModelRule
from tests.vendors.anthropic.requests import OLD
from tests.vendors.anthropic.turns import check_turns

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
MIN_BUDGET_TOKENS = 1024
# The modes of thinking that each kind of model takes.
TAKEN = {
    "budget": ("enabled", "disabled"),
    "both": ("enabled", "adaptive", "disabled", "between_tools"),
    "adaptive": ("adaptive", "disabled", "between_tools"),
    "always": ("adaptive", "between_tools"),
}
SAMPLING = ("temperature", "top_p", "top_k")
# Of a JSON Schema in structured outputs: what the SDK's own helper keeps; everything else it moves into descriptions.
SCHEMA_KEYS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "allOf", "$ref"}
    | {"$defs", "definitions", "description", "title", "format", "minItems", "default"}
)


def check_limits(body: Mapping[str, Any], rule: ModelRule, version: str) -> None:
    """Refuse what the API refuses although the SDK's type allows it."""
    check_turns(body, rule, version)
    _check_tools(body)
    _check_output(body, rule)
    _check_stops(body)
    _check_sampling(body, rule, version)
    _check_thinking(body, rule)
    max_tokens = body.get("max_tokens", 1)
    if max_tokens < 0:
        raise Refusal("max_tokens: Input should be greater than or equal to 0")
    if max_tokens > rule.max_tokens:
        most = rule.max_tokens
        raise Refusal(f"max_tokens: {max_tokens} > {most}, which is the maximum allowed number of output tokens")


def _check_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools") or []
    names = [tool["name"] for tool in tools]
    for index, tool in enumerate(tools):
        if tool.get("type") not in (None, "custom"):
            raise Refusal(f"tools.{index}: tools of type {tool['type']} are not simulated")
        if not TOOL_NAME.fullmatch(tool["name"]):
            raise Refusal(f"tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if tool["input_schema"].get("type") != "object":
            raise Refusal(f"tools.{index}.custom.input_schema.type: Field required")
        if tool.get("strict"):
            check_schema(f"tools.{index}.custom.input_schema", tool["input_schema"])
    if len(set(names)) != len(names):
        raise Refusal("tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not tools:
        raise Refusal("tool_choice: may only be specified while providing tools")
    if choice["type"] == "tool" and choice["name"] not in names:
        raise Refusal(f"Tool '{choice['name']}' not found in provided tools")


def _check_output(body: Mapping[str, Any], rule: ModelRule) -> None:
    config = body.get("output_config") or {}
    if config.get("effort") and config["effort"] not in rule.efforts:
        raise Refusal(f"output_config.effort: This model does not support effort '{config['effort']}'.")
    if config.get("format"):
        check_schema("output_config.format.schema", config["format"]["schema"])


def check_schema(path: str, schema: Any) -> None:
    """Refuse open objects and keywords that structured outputs do not enforce."""
    for node in _nodes(schema):
        if unknown := sorted(set(node) - SCHEMA_KEYS):
            raise Refusal(f"{path}: For '{node.get('type')}' type, property '{unknown[0]}' is not supported")
        if node.get("type") == "object" and node.get("additionalProperties") is not False:
            raise Refusal(f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false")
        if not node.keys() & {"type", "anyOf", "allOf", "$ref", "enum", "const"}:
            raise Refusal(f"{path}: Schema type is required")


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    for key in ("properties", "$defs", "definitions"):
        for child in (schema.get(key) or {}).values():
            yield from _nodes(child)
    for key in ("anyOf", "allOf"):
        for child in schema.get(key) or ():
            yield from _nodes(child)
    yield from _nodes(schema.get("items"))


def _check_stops(body: Mapping[str, Any]) -> None:
    for index, stop in enumerate(body.get("stop_sequences") or ()):
        if not stop.strip():
            raise Refusal(f"stop_sequences: each stop sequence must contain non-whitespace (item {index})")


def _check_sampling(body: Mapping[str, Any], rule: ModelRule, version: str) -> None:
    given = [name for name in SAMPLING if body.get(name) is not None]
    if not given:
        return
    assert version == OLD  # the newer version's type has none of them
    if not rule.has_sampling:
        raise Refusal(f"{given[0]}: Extra inputs are not permitted")
    for name in ("temperature", "top_p"):
        if not 0 <= body.get(name, 0) <= 1:
            raise Refusal(f"{name}: Input should be between 0 and 1")
    if body.get("top_k", 0) < 0:
        raise Refusal("top_k: Input should be greater than or equal to 0")
    if {"temperature", "top_p"} <= set(given):  # UNV
        raise Refusal("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")


def _check_thinking(body: Mapping[str, Any], rule: ModelRule) -> None:
    thinking.check_blocks(body["messages"])
    config = body.get("thinking") or {}
    kind = config.get("type")
    if kind is not None and kind not in TAKEN[rule.thinking]:
        raise Refusal(
            f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.'
        )
    is_forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    if is_forced and (kind == "enabled" or rule.thinking == "always"):
        raise Refusal("Thinking may not be enabled when tool_choice forces tool use.")
    if kind == "enabled":
        _check_budget(body, config["budget_tokens"])


def _check_budget(body: Mapping[str, Any], budget: int) -> None:
    if budget < MIN_BUDGET_TOKENS:
        raise Refusal(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_BUDGET_TOKENS}")
    if budget >= body.get("max_tokens", budget + 1):
        raise Refusal("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature") not in (None, 1, 1.0):
        raise Refusal("`temperature` may only be set to 1 when thinking is enabled.")
    if body.get("top_k") is not None:
        raise Refusal("`top_k` must be unset when thinking is enabled.")
    thinking.check_tool_loop(body["messages"])
