"""POST /responses, unary and streamed. Wire format: vendors.md 1.2 (openai 3.54.0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from openai.types.responses import response_create_params as params

from tests.vendors.answers import Answer
from tests.vendors.openai.chat import ARGUMENT_PIECE_CHARS, PIECE, SSE_HEADERS
from tests.vendors.openai.chat_choices import Choice, choices_of, reasoning_tokens
from tests.vendors.openai.chat_limits import effort_of
from tests.vendors.openai.chat_usage import PromptCache, chat_usage
from tests.vendors.openai.errors import JSON_HEADERS, Refusal
from tests.vendors.openai.models import CREATED_AT, ModelRule, model_for
from tests.vendors.openai.requests import check_schema, json_body
from tests.vendors.openai.responses_input import as_chat, seal_of
from tests.vendors.openai.responses_limits import SEALED, check_limits
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact, data_event
from tests.vendors.strict import StrictValidator

THOUGHT = "The user wants an echo."  # what a summary of the fake reasoning says

Memory = dict[str, list[dict[str, Any]]]  # response id -> the conversation up to it, where it was stored


def responses_answer(record: RequestRecord, identity: str, prompts: PromptCache, memory: Memory) -> Answer:
    """Return the answer to a request; raises Refusal."""
    body = json_body(record)
    record.model = body.get("model") if isinstance(body.get("model"), str) else None
    check_schema(_validator(is_streaming=body.get("stream") is True), body)
    if body.get("input") is None or body.get("model") is None:
        missing = "input" if body.get("input") is None else "model"
        raise Refusal(f"Missing required parameter: '{missing}'.", missing, "missing_required_parameter")
    rule = model_for("chat", body["model"])
    chat = as_chat(body, _remembered(body, memory))
    check_limits(body, chat, rule)
    choice = choices_of(chat, rule, identity)[0]
    usage = chat_usage(chat, rule, [choice], prompts.cached_tokens(chat))
    answer_id = f"resp_{record.number:08d}"
    output = list(_output(body, rule, chat, choice, answer_id))
    is_cut = choice.finish_reason in ("length", "content_filter")
    whole = _frame(body, answer_id) | {
        "status": "incomplete" if is_cut else "completed",
        "output": output,
        "usage": _usage(usage),
    }
    if is_cut:
        reason = "max_output_tokens" if choice.finish_reason == "length" else "content_filter"
        whole["incomplete_details"] = {"reason": reason}
    if body.get("store") is not False:
        memory[answer_id] = [*chat["messages"], _said(choice)]
    if body.get("stream"):
        return Answer(200, SSE_HEADERS, tuple(_stream(body, whole)), is_streamed=True)
    return Answer(200, JSON_HEADERS, (compact(whole),))


@cache
def _validator(*, is_streaming: bool) -> StrictValidator:
    kind = params.ResponseCreateParamsStreaming if is_streaming else params.ResponseCreateParamsNonStreaming
    return StrictValidator(kind)


def _remembered(body: Mapping[str, Any], memory: Memory) -> list[dict[str, Any]]:
    previous = body.get("previous_response_id")
    if previous is None:
        return []
    if previous not in memory:
        text = f"Previous response with id '{previous}' not found."
        raise Refusal(text, "previous_response_id", "previous_response_not_found")
    return memory[previous]


def _said(choice: Choice) -> dict[str, Any]:
    calls = [call.as_json() for call in choice.tool_calls]
    said = {"role": "assistant", "content": choice.content or choice.refusal}
    return said | ({"tool_calls": calls} if calls else {})


def _frame(body: Mapping[str, Any], answer_id: str) -> dict[str, Any]:
    text = body.get("text") or {}
    reasoning = body.get("reasoning") or {}
    return {
        "id": answer_id,
        "object": "response",
        "created_at": CREATED_AT,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "service_tier": "default",
        "temperature": body.get("temperature", 1.0),
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": None,
        "user": body.get("user"),
    }


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": usage["total_tokens"],
    }


def _output(
    body: Mapping[str, Any], rule: ModelRule, chat: Mapping[str, Any], choice: Choice, answer_id: str
) -> Iterator[dict[str, Any]]:
    suffix = answer_id.removeprefix("resp_")
    if rule.efforts and effort_of(chat, rule) != "none" and reasoning_tokens(chat, rule):
        thought = f"rs_{suffix}"
        wants_summary = (body.get("reasoning") or {}).get("summary") is not None
        summary = [{"type": "summary_text", "text": THOUGHT}] if wants_summary else []
        sealed = {"encrypted_content": seal_of(thought)} if SEALED in (body.get("include") or ()) else {}
        yield {"id": thought, "type": "reasoning", "summary": summary} | sealed
    for place, call in enumerate(choice.tool_calls):
        common = {"id": f"fc_{suffix}_{place}", "status": "completed", "call_id": call.id, "name": call.name}
        if call.kind == "custom":
            common.pop("status")
            yield {"type": "custom_tool_call", "input": call.arguments} | common
        else:
            yield {"type": "function_call", "arguments": call.arguments} | common
    if choice.tool_calls:
        return
    status = "incomplete" if choice.finish_reason != "stop" else "completed"
    part: dict[str, Any] = {"type": "refusal", "refusal": choice.refusal}
    if choice.refusal is None:
        part = {"type": "output_text", "text": choice.content or "", "annotations": [], "logprobs": []}
    yield {"id": f"msg_{suffix}", "type": "message", "status": status, "role": "assistant", "content": [part]}


def _stream(body: Mapping[str, Any], whole: dict[str, Any]) -> Iterator[bytes]:
    """Yield the events of an answer, named and numbered."""
    is_padded = (body.get("stream_options") or {}).get("include_obfuscation") is not False
    begun = whole | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(whole["output"]):
        events += _item_events(item, index)
    events.append({"type": f"response.{whole['status']}", "response": whole})
    for number, event in enumerate(events):
        padding = {"obfuscation": "x" * 8} if is_padded and event["type"].endswith(".delta") else {}
        yield data_event(event | {"sequence_number": number} | padding, event["type"])


def _item_events(item: dict[str, Any], index: int) -> list[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": index}
    match item["type"]:
        case "reasoning":
            begun, inner = item | {"summary": []}, _summary_events(item, place)
        case "function_call":
            begun = item | {"status": "in_progress", "arguments": ""}
            inner = _pieces("response.function_call_arguments", "arguments", item["arguments"], place)
        case "custom_tool_call":
            begun = item | {"input": ""}
            inner = _pieces("response.custom_tool_call_input", "input", item["input"], place)
        case _:
            begun, inner = item | {"status": "in_progress", "content": []}, _part_events(item["content"][0], place)
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        *inner,
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _pieces(kind: str, key: str, text: str, place: dict[str, Any]) -> list[dict[str, Any]]:
    cuts = [text[at : at + ARGUMENT_PIECE_CHARS] for at in range(0, len(text), ARGUMENT_PIECE_CHARS)]
    deltas = [{"type": f"{kind}.delta", "delta": piece} | place for piece in cuts]
    return [*deltas, {"type": f"{kind}.done", key: text} | place]


def _summary_events(item: Mapping[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for number, part in enumerate(item["summary"]):
        here = place | {"summary_index": number}
        kind, text = "response.reasoning_summary", part["text"]
        events.append({"type": f"{kind}_part.added", "part": {"type": "summary_text", "text": ""}} | here)
        events += [{"type": f"{kind}_text.delta", "delta": piece} | here for piece in PIECE.findall(text)]
        events.append({"type": f"{kind}_text.done", "text": text} | here)
        events.append({"type": f"{kind}_part.done", "part": part} | here)
    return events


def _part_events(part: Mapping[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    here = place | {"content_index": 0}
    key = "refusal" if part["type"] == "refusal" else "text"
    kind = "response.refusal" if key == "refusal" else "response.output_text"
    probabilities: dict[str, Any] = {} if key == "refusal" else {"logprobs": []}
    return [
        {"type": "response.content_part.added", "part": {**part, key: ""}} | here,
        *[{"type": f"{kind}.delta", "delta": piece} | probabilities | here for piece in PIECE.findall(part[key])],
        {"type": f"{kind}.done", key: part[key]} | probabilities | here,
        {"type": "response.content_part.done", "part": part} | here,
    ]
