"""POST /completions, the legacy endpoint, unary and streamed (openai 3.54.0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from openai.types import completion_create_params as params

from tests.vendors.answers import Answer
from tests.vendors.openai.chat import DONE, PIECE, SSE_HEADERS
from tests.vendors.openai.chat_choices import echo_text
from tests.vendors.openai.errors import JSON_HEADERS, Refusal
from tests.vendors.openai.models import CREATED_AT, model_for
from tests.vendors.openai.requests import Range, check_count, check_ranges, check_schema, json_body
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact, data_event
from tests.vendors.strict import StrictValidator
from tests.vendors.tokens import count_tokens, cut_to_tokens

DEFAULT_MAX_TOKENS = 16
RANGES = {
    "temperature": Range(0.0, 2),
    "top_p": Range(0.0, 1),
    "frequency_penalty": Range(-2.0, 2),
    "presence_penalty": Range(-2.0, 2),
    "n": Range(1, 128),
    "best_of": Range(0, 20),
    "logprobs": Range(0, 5),
    "max_tokens": Range(0),
}


def completions_answer(record: RequestRecord, identity: str) -> Answer:
    """Return the answer to a request; raises Refusal."""
    body = json_body(record)
    record.model = body.get("model") if isinstance(body.get("model"), str) else None
    check_schema(_validator(is_streaming=body.get("stream") is True), body)
    rule = model_for("completions", body["model"])
    check_ranges(body, RANGES)
    if body["prompt"] is None:
        raise Refusal("The simulator has no completion of nothing.", "prompt")
    prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
    check_count("prompt", len(prompts), 1, 2048)
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise Refusal("The simulator has no prompts of token ids.", "prompt")
    limit = DEFAULT_MAX_TOKENS if body.get("max_tokens") is None else body["max_tokens"]
    choices = [
        _choice(index, prompt, echo_text(identity, rule.id, prompt), limit, body)
        for index, prompt in enumerate(prompt for prompt in prompts for _ in range(body.get("n") or 1))
    ]
    prompt_tokens = sum(count_tokens(prompt) for prompt in prompts)
    completion_tokens = sum(count_tokens(choice["text"]) for choice in choices)
    total = prompt_tokens + completion_tokens
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}
    frame = {"id": f"cmpl-{record.number:08d}", "object": "text_completion", "created": CREATED_AT}
    frame["model"] = body["model"]
    if body.get("stream"):
        events = tuple(_stream(body, frame, choices, usage))
        return Answer(200, SSE_HEADERS, events, DONE, is_streamed=True)
    return Answer(200, JSON_HEADERS, (compact({**frame, "choices": choices, "usage": usage}),))


@cache
def _validator(*, is_streaming: bool) -> StrictValidator:
    kind = params.CompletionCreateParamsStreaming if is_streaming else params.CompletionCreateParamsNonStreaming
    return StrictValidator(kind)


def _choice(index: int, prompt: str, text: str, limit: int, body: Mapping[str, Any]) -> dict[str, Any]:
    cut = cut_to_tokens(text, limit)
    echo = prompt if body.get("echo") else ""
    return {
        "index": index,
        "text": echo + cut,
        "logprobs": None,
        "finish_reason": "stop" if cut == text else "length",
    }


def _stream(
    body: Mapping[str, Any], frame: Mapping[str, Any], choices: list[dict[str, Any]], usage: Mapping[str, Any]
) -> Iterator[bytes]:
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    tail = {"usage": None} if wants_usage else {}
    for choice in choices:
        for piece in PIECE.findall(choice["text"]):
            yield data_event({**frame, "choices": [choice | {"text": piece, "finish_reason": None}], **tail})
        yield data_event({**frame, "choices": [choice | {"text": ""}], **tail})
    if wants_usage:
        yield data_event({**frame, "choices": [], "usage": usage})
