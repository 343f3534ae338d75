"""What the fake models of Bedrock say: they echo the last user text and call the tools that text names.

"[guardrail]" in the last user text ends the answer there with guardrail_intervened. Nothing else is interpreted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.vendors.bedrock.eventstream import event
from tests.vendors.bedrock.rules import ModelRule, signature_of
from tests.vendors.schema_instance import instance_of
from tests.vendors.sse import compact
from tests.vendors.tokens import count_tokens, cut_to_tokens

PIECE = re.compile(r"\s*\S+|\s+")
ARGUMENT_PIECE_CHARS = 8
THOUGHT = "The user wants an echo."
LATENCY_MS = 12


def converse_answer(body: Mapping[str, Any], rule: ModelRule, identity: str) -> dict[str, Any]:
    """Return the whole answer to a request that the rules let pass."""
    text = _last_text(body["messages"])
    thought: list[dict[str, Any]] = []
    if (body.get("outputConfig") or {}).get("effort"):
        thought = [{"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": signature_of(THOUGHT)}}}]
    calls = _calls(body, text)
    content, reason = calls, "tool_use"
    if not calls:
        said, reason = _said(body, rule, identity, text)
        content = [{"text": said}]
    message = {"role": "assistant", "content": [*thought, *content]}
    answer = {"output": {"message": message}, "stopReason": reason, "usage": _usage(body, message)}
    return answer | {"metrics": {"latencyMs": LATENCY_MS}}


def converse_events(answer: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the same answer as a stream."""
    message = answer["output"]["message"]
    yield event("messageStart", {"role": "assistant"})
    for index, block in enumerate(message["content"]):
        place = {"contentBlockIndex": index}
        if "toolUse" in block:
            used = block["toolUse"]
            start = {"toolUse": {"toolUseId": used["toolUseId"], "name": used["name"]}}
            yield event("contentBlockStart", {"start": start} | place)
        for delta in _deltas(block):
            yield event("contentBlockDelta", {"delta": delta, "p": "abcd"} | place)  # p: the live API's padding
        yield event("contentBlockStop", place)
    yield event("messageStop", {"stopReason": answer["stopReason"]})
    yield event("metadata", {"usage": answer["usage"], "metrics": answer["metrics"]})


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "text" in block:
        yield from ({"text": piece} for piece in PIECE.findall(block["text"]))
    elif "toolUse" in block:
        text = compact(block["toolUse"]["input"]).decode()
        for start in range(0, len(text), ARGUMENT_PIECE_CHARS):
            yield {"toolUse": {"input": text[start : start + ARGUMENT_PIECE_CHARS]}}
    else:
        thought = block["reasoningContent"]["reasoningText"]
        yield from ({"reasoningContent": {"text": piece}} for piece in PIECE.findall(thought["text"]))
        yield {"reasoningContent": {"signature": thought["signature"]}}


def _last_text(messages: list[dict[str, Any]]) -> str:
    last = messages[-1]["content"]
    results = [block["toolResult"] for block in last if "toolResult" in block]
    said = " ".join(block["text"] for block in last if "text" in block)
    if said or not results:
        return said
    return " ".join(part.get("text") or "" for result in results for part in result["content"])


def _calls(body: Mapping[str, Any], text: str) -> list[dict[str, Any]]:
    config = body.get("toolConfig") or {"tools": []}
    specs = [tool["toolSpec"] for tool in config["tools"]]
    choice = config.get("toolChoice") or {}
    is_new_turn = not any("toolResult" in block for block in body["messages"][-1]["content"])
    wanted = [spec for spec in specs if is_new_turn and spec["name"] in text]
    if "tool" in choice:
        wanted = [spec for spec in specs if spec["name"] == choice["tool"]["name"]]
    elif "any" in choice:
        wanted = wanted or specs[:1]
    return [_call(spec, text, place) for place, spec in enumerate(wanted)]


def _call(spec: Mapping[str, Any], text: str, place: int) -> dict[str, Any]:
    digest = hashlib.sha256(f"{spec['name']}/{text}/{place}".encode()).hexdigest()[:22]
    arguments = instance_of(spec["inputSchema"]["json"], text)
    return {"toolUse": {"toolUseId": f"tooluse_{digest}", "name": spec["name"], "input": arguments}}


def _said(body: Mapping[str, Any], rule: ModelRule, identity: str, text: str) -> tuple[str, str]:
    said = f"{identity}/{rule.id} echoes: {text}"
    wanted = (body.get("outputConfig") or {}).get("textFormat")
    if wanted is not None:
        schema = json.loads(wanted["structure"]["jsonSchema"]["schema"])
        return compact(instance_of(schema, said)).decode(), "end_turn"
    if "[guardrail]" in text:
        return said.partition("[guardrail]")[0], "guardrail_intervened"
    inference = body.get("inferenceConfig") or {}
    places = [said.find(stop) for stop in inference.get("stopSequences") or () if stop in said]
    if places:
        return said[: min(places)], "stop_sequence"
    limit = inference.get("maxTokens")
    if limit is not None and count_tokens(said) > limit:
        return cut_to_tokens(said, limit), "max_tokens"
    return said, "end_turn"


def _usage(body: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """Count the JSON of what came in and went out: what counts is that it is the same each time."""
    asked = {"messages": body["messages"], "system": body.get("system"), "toolConfig": body.get("toolConfig")}
    read = count_tokens(json.dumps(asked, default=lambda blob: len(blob)))
    written = count_tokens(compact(message["content"]).decode())
    cached = 64 if any("cachePoint" in block for m in body["messages"] for block in m["content"]) else 0
    return {
        "inputTokens": read,
        "outputTokens": written,
        "totalTokens": read + written + cached,
        "cacheReadInputTokens": cached,
        "cacheWriteInputTokens": 0,
    }
