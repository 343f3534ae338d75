"""What the fake model says: it echoes the last user text under its own name and calls the tools that text names.

Marks in the last user text change the answer: "[content_filter]" ends it there with SAFETY, "[blocked]" blocks the
prompt, "[malformed]" lets the model fail with MALFORMED_FUNCTION_CALL. Nothing else of the prompt is interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.vendors.gemini.limits import declarations
from tests.vendors.gemini.models import ModelRule
from tests.vendors.schema_instance import instance_of
from tests.vendors.sse import compact
from tests.vendors.tokens import count_tokens, cut_to_tokens

THOUGHT = "The user wants an echo."
# One deterministic amount of hidden thinking per level; it counts against maxOutputTokens, as on the live API.
THOUGHT_TOKENS = {"": 0, "MINIMAL": 0, "LOW": 16, "MEDIUM": 32, "HIGH": 64, "XHIGH": 128}


@dataclass(frozen=True, slots=True)
class Choice:
    """One candidate: its text or its calls (`{name, args}`), and why it ended."""

    index: int
    text: str
    finish_reason: str
    calls: tuple[dict[str, Any], ...] = ()

    def tokens(self) -> int:
        """Return the visible tokens."""
        return count_tokens(self.text) + sum(count_tokens(compact(call).decode()) for call in self.calls)


def choices_of(body: Mapping[str, Any], rule: ModelRule, identity: str) -> tuple[Choice, ...]:
    """Return the candidates of an answer."""
    count = (body.get("generationConfig") or {}).get("candidateCount", 1)
    return tuple(_choice(body, rule, identity, index) for index in range(count))


def thought_tokens(body: Mapping[str, Any], rule: ModelRule) -> int:
    """Return the tokens of thinking of one candidate; at most maxOutputTokens."""
    config = body.get("generationConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    level = THOUGHT_TOKENS[thinking.get("thinkingLevel", rule.default_level)]
    budget = thinking.get("thinkingBudget", -1)
    wanted = min(budget, THOUGHT_TOKENS["HIGH"]) if budget >= 0 else level
    return int(min(wanted, config.get("maxOutputTokens", wanted)))


def echo_text(identity: str, model: str, text: str) -> str:
    """Return what the fake model answers to a text."""
    return f"{identity}/{model} echoes: {text}"


def last_text(contents: Sequence[Mapping[str, Any]]) -> str:
    """Return the last user text, or what the tools answered when their answers come last."""
    parts = contents[-1].get("parts") or []
    answers = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    if answers:
        return " ".join(_answer_text(answer) for answer in answers)
    for content in reversed(contents):
        texts = [part["text"] for part in content.get("parts") or () if part.get("text") and not part.get("thought")]
        if content.get("role", "user") == "user" and texts:
            return "".join(texts)
    return ""


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return Google's own schema with the types that JSON Schema has."""
    made = {key: value for key, value in schema.items() if key not in ("type", "properties", "items", "anyOf")}
    if "type" in schema:
        made["type"] = schema["type"].lower()
    if "properties" in schema:
        made["properties"] = {name: json_schema(child) for name, child in schema["properties"].items()}
    if "items" in schema:
        made["items"] = json_schema(schema["items"])
    if "anyOf" in schema:
        made["anyOf"] = [json_schema(child) for child in schema["anyOf"]]
    for key in ("minItems", "maxItems", "minLength", "maxLength"):
        made |= {key: int(schema[key])} if key in schema else {}
    return made


def _choice(body: Mapping[str, Any], rule: ModelRule, identity: str, index: int) -> Choice:
    text = last_text(body["contents"])
    if "[malformed]" in text:
        return Choice(index, "", "MALFORMED_FUNCTION_CALL")
    calls = _calls(body, text)
    if calls:
        return Choice(index, "", "STOP", calls)
    config = body.get("generationConfig") or {}
    said = _text(config, echo_text(identity, rule.id, text))
    if index and config.get("responseMimeType", "text/plain") == "text/plain":
        said += f" (#{index})"
    if "[content_filter]" in text:
        return Choice(index, said.partition("[content_filter]")[0], "SAFETY")
    return _ended(config, thought_tokens(body, rule), index, said)


def _text(config: Mapping[str, Any], echo: str) -> str:
    if config.get("responseMimeType", "text/plain") == "text/plain":
        return echo
    if "responseJsonSchema" in config:
        return compact(instance_of(config["responseJsonSchema"], echo)).decode()
    if "responseSchema" in config:
        value = instance_of(json_schema(config["responseSchema"]), echo)
        return str(value) if config["responseMimeType"] == "text/x.enum" else compact(value).decode()
    return compact({"echo": echo}).decode()


def _ended(config: Mapping[str, Any], thoughts: int, index: int, text: str) -> Choice:
    """Return the choice after stop sequences and the token limit did their work."""
    places = [text.find(stop) for stop in config.get("stopSequences") or () if stop in text]
    text = text[: min(places)] if places else text
    limit = config.get("maxOutputTokens")
    if limit is not None and count_tokens(text) > limit - thoughts:
        return Choice(index, cut_to_tokens(text, limit - thoughts), "MAX_TOKENS")
    return Choice(index, text, "STOP")


def _calls(body: Mapping[str, Any], text: str) -> tuple[dict[str, Any], ...]:
    """Return calls of the tools the text names; mode ANY calls one in any case."""
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode, allowed = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames")
    if mode == "NONE":
        return ()
    offered = [function for function in declarations(body) if not allowed or function["name"] in allowed]
    is_new_turn = not any("functionResponse" in part for part in body["contents"][-1].get("parts") or ())
    wanted = [function for function in offered if is_new_turn and function["name"] in text]
    wanted = wanted or (offered[:1] if mode == "ANY" else [])
    return tuple({"name": function["name"], "args": _arguments(function, text)} for function in wanted)


def _arguments(function: Mapping[str, Any], text: str) -> Any:
    if "parametersJsonSchema" in function:
        return instance_of({"type": "object", **function["parametersJsonSchema"]}, text)
    return instance_of(json_schema(function["parameters"]), text) if "parameters" in function else {}


def _answer_text(answer: Mapping[str, Any]) -> str:
    values = list(answer.values())
    return values[0] if len(values) == 1 and isinstance(values[0], str) else compact(answer).decode()
