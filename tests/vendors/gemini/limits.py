"""Rules the protobuf does not hold, but for those of contents: numbers, fields that need each other, thinking."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.vendors.gemini.contents_limits import check_contents
from tests.vendors.gemini.errors import Refusal, bad_field
from tests.vendors.gemini.models import ModelRule

CONFIG = "GenerateContentRequest.generation_config"
FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "topK": (1, 1_000_000),
    "candidateCount": (1, 8),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "logprobs": (0, 20),
}
MIME_TYPES = ("text/plain", "application/json", "text/x.enum")
MAX_STOPS = 5


def check_generate(body: Mapping[str, Any], rule: ModelRule) -> None:
    """Refuse what the service refuses although the protobuf allows it. Raises Refusal."""
    check_contents(body.get("contents") or [], rule)
    system = body.get("systemInstruction")
    if system is not None and any("text" not in part for part in system.get("parts") or [{}]):
        raise bad_field("GenerateContentRequest.system_instruction", "only text is supported")
    _check_tools(body)
    config = body.get("generationConfig") or {}
    _check_numbers(config, rule)
    _check_format(config)
    _check_thinking(config.get("thinkingConfig") or {}, rule)


def _check_numbers(config: Mapping[str, Any], rule: ModelRule) -> None:
    for name, (low, high) in {**RANGES, "maxOutputTokens": (1, rule.output_tokens + 1)}.items():
        value = config.get(name)
        if value is not None and not low <= value <= high:
            raise bad_field(f"{CONFIG}.{name}", f"must be in the range [{low}, {high}], got {value}")
    stops = config.get("stopSequences") or []
    if len(stops) > MAX_STOPS or "" in stops:
        raise bad_field(f"{CONFIG}.stop_sequences", f"at most {MAX_STOPS} non-empty sequences, got {len(stops)}")
    if "logprobs" in config and not config.get("responseLogprobs"):
        raise Refusal("logprobs is only valid if response_logprobs is true")


def _check_format(config: Mapping[str, Any]) -> None:
    mime = config.get("responseMimeType", "text/plain")
    if mime not in MIME_TYPES:
        raise bad_field(f"{CONFIG}.response_mime_type", f"allowed mimetypes are {', '.join(MIME_TYPES)}")
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(schemas) > 1:
        raise Refusal("Only one of response_schema and response_json_schema may be set")
    if schemas and mime == "text/plain":
        raise Refusal("Invalid response_mime_type: text/plain is not supported with a response schema.")


def _check_thinking(thinking: Mapping[str, Any], rule: ModelRule) -> None:
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level is not None and budget is not None:
        raise Refusal("You can only set only one of thinking budget and thinking level.")
    if level is not None and level not in rule.levels:
        raise Refusal(f"Thinking level {level} is not supported for this model.")
    if budget is None or budget == -1:
        return
    low, high = rule.budget or (0, 32_768)
    if not low <= budget <= high:
        raise Refusal(f"The thinking budget {budget} is invalid. Please choose a value between {low} and {high}.")


def _check_tools(body: Mapping[str, Any]) -> None:
    functions = declarations(body)
    names = [function.get("name", "") for function in functions]
    for index, function in enumerate(functions):
        path = f"GenerateContentRequest.tools[0].function_declarations[{index}]"
        if not FUNCTION_NAME.fullmatch(function.get("name", "")):
            raise bad_field(f"{path}.name", "Invalid function name. Must start with a letter or an underscore, ...")
        if "parameters" in function and "parametersJsonSchema" in function:
            raise Refusal("Only one of parameters and parameters_json_schema may be set")
        if "parameters" in function:
            _check_schema(function["parameters"], f"{path}.parameters")
    if len(names) != len(set(names)):
        raise Refusal("Duplicate function declaration found")
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed: Sequence[str] = calling.get("allowedFunctionNames") or ()
    if calling.get("mode") in ("ANY", "VALIDATED") and not names:
        raise Refusal("Function calling config is set without function_declarations.")
    if allowed and calling.get("mode") not in ("ANY", "VALIDATED"):
        raise Refusal("allowed_function_names should only be set when the function calling mode is ANY or VALIDATED.")
    if set(allowed) - set(names):
        raise Refusal(f"allowed_function_names {sorted(set(allowed) - set(names))} are not declared")


def _check_schema(schema: Mapping[str, Any], path: str) -> None:
    """Google's own schemas need a type, and one of the items of arrays."""
    if "type" not in schema and "anyOf" not in schema:
        raise bad_field(f"{path}.type", "must be specified")
    if schema.get("type") == "ARRAY" and "items" not in schema:
        raise bad_field(f"{path}.items", "missing field.")
    for name, child in (schema.get("properties") or {}).items():
        _check_schema(child, f"{path}.properties[{name}]")


def declarations(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all declared functions."""
    return [function for tool in body.get("tools") or () for function in tool.get("functionDeclarations") or ()]
