"""`:generateContent` and `:streamGenerateContent`. Wire format: vendors.md 3 (google-genai 3.4.0), 2026-11-23."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.vendors.answers import Answer
from tests.vendors.gemini.choices import THOUGHT, Choice, choices_of, last_text, thought_tokens
from tests.vendors.gemini.contents_limits import signature_of
from tests.vendors.gemini.errors import JSON_HEADERS
from tests.vendors.gemini.limits import check_generate
from tests.vendors.gemini.models import find_model
from tests.vendors.gemini.schema import checked_body
from tests.vendors.gemini.usage import PromptCache, prompt_tokens, usage_metadata
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact

SSE_HEADERS = (("content-type", "text/event-stream"), ("content-disposition", "attachment"))
PIECE = re.compile(r"\s*\S+|\s+")  # a streamed piece: a word with the space before it
SAFETY = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}]


@dataclass(frozen=True, slots=True)
class Said:
    """Everything an answer is made of."""

    choices: tuple[Choice, ...]
    usage: dict[str, Any]
    common: dict[str, Any]
    is_signed: bool
    shows_thoughts: bool
    logprobs: int | None  # top candidates per token; None: not asked for


def generate_answer(record: RequestRecord, model: str, identity: str, prompts: PromptCache) -> Answer:
    """Return the whole answer; raises Refusal."""
    said = _said(record, model, identity, prompts)
    return Answer(200, JSON_HEADERS, (compact(said if isinstance(said, dict) else _whole(said)),))


def stream_answer(record: RequestRecord, model: str, identity: str, prompts: PromptCache, *, as_sse: bool) -> Answer:
    """Return the streamed answer, as events or as an array; raises Refusal."""
    said = _said(record, model, identity, prompts)
    chunks = [said] if isinstance(said, dict) else list(_chunks(said))
    if as_sse:
        return Answer(200, SSE_HEADERS, tuple(event(chunk) for chunk in chunks), is_streamed=True)
    pieces = [(b"[" if index == 0 else b",\r\n") + compact(chunk) for index, chunk in enumerate(chunks)]
    return Answer(200, JSON_HEADERS, tuple(pieces), b"]", is_streamed=True)


def event(value: Any) -> bytes:
    """Return one event as Google writes it."""
    return b"data: " + compact(value) + b"\r\n\r\n"


def _said(record: RequestRecord, model: str, identity: str, prompts: PromptCache) -> Said | dict[str, Any]:
    """Return what the model says, or the answer to a prompt that is blocked: 200 without candidates."""
    rule = find_model(model, "chat")
    body = checked_body(record, "generateContent")
    check_generate(body, rule)
    common = {"modelVersion": rule.id, "responseId": f"resp-{record.number:08d}"}
    prompt = prompt_tokens(body)
    if "[blocked]" in last_text(body["contents"]):
        usage = {"promptTokenCount": prompt, "totalTokenCount": prompt}
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage, **common}
    choices = choices_of(body, rule, identity)
    cached = prompts.cached_tokens(rule.id, body)
    config = body.get("generationConfig") or {}
    return Said(
        choices,
        usage_metadata(prompt, cached, choices, thought_tokens(body, rule)),
        common,
        rule.demands_signatures,
        bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
        config.get("logprobs", 0) if config.get("responseLogprobs") else None,
    )


def _whole(said: Said) -> dict[str, Any]:
    candidates = [_candidate(choice, _parts(choice, said), said, choice.finish_reason) for choice in said.choices]
    return {"candidates": candidates, "usageMetadata": said.usage, **said.common}


def _chunks(said: Said) -> Iterator[dict[str, Any]]:
    """Yield the candidates' parts in turn, each chunk with the usage so far; the last ones say why they ended."""
    usage = {key: value for key, value in said.usage.items() if key != "candidatesTokenCount"}
    queues = [(choice, list(_pieces(choice, said))) for choice in said.choices]
    for turn in range(max(len(pieces) for _, pieces in queues)):
        for choice, pieces in queues:
            if turn < len(pieces):
                yield {"candidates": [_candidate(choice, [pieces[turn]], said)], "usageMetadata": usage, **said.common}
    for choice in said.choices:
        tail = {"text": ""} | (
            {"thoughtSignature": signature_of(choice.text)} if said.is_signed and choice.text else {}
        )
        last = _candidate(choice, [tail] if choice.text else [], said, choice.finish_reason)
        yield {"candidates": [last], "usageMetadata": said.usage, **said.common}


def _candidate(
    choice: Choice, parts: Sequence[Mapping[str, Any]], said: Said, finish_reason: str | None = None
) -> dict[str, Any]:
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    candidate: dict[str, Any] = {**content, "index": choice.index}
    if finish_reason is not None:
        candidate["finishReason"] = finish_reason
    if finish_reason == "SAFETY":
        candidate["safetyRatings"] = SAFETY
    if finish_reason == "MALFORMED_FUNCTION_CALL":
        candidate["finishMessage"] = "Malformed function call: print(x"
    text = "".join(part.get("text", "") for part in parts)
    if said.logprobs is not None and text:
        candidate |= {"avgLogprobs": -0.1, "logprobsResult": _logprobs(text, said.logprobs)}
    return candidate


def _parts(choice: Choice, said: Said) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = _thoughts(said)
    if choice.text:
        signed = {"thoughtSignature": signature_of(choice.text)} if said.is_signed else {}
        parts.append({"text": choice.text, **signed})
    return [*parts, *_calls(choice, said)]


def _pieces(choice: Choice, said: Said) -> Iterator[dict[str, Any]]:
    yield from _thoughts(said)
    for piece in PIECE.findall(choice.text):
        yield {"text": piece}
    yield from _calls(choice, said)


def _thoughts(said: Said) -> list[dict[str, Any]]:
    return [{"text": THOUGHT, "thought": True}] if said.shows_thoughts else []


def _calls(choice: Choice, said: Said) -> Iterator[dict[str, Any]]:
    """Yield the calls; of several the first alone is signed."""
    for place, call in enumerate(choice.calls):
        is_signed = said.is_signed and place == 0
        yield {"functionCall": call, **({"thoughtSignature": signature_of(call)} if is_signed else {})}


def _logprobs(text: str, top: int) -> dict[str, Any]:
    chosen = [{"token": piece, "logProbability": -0.1} for piece in PIECE.findall(text)]
    ranked = [{"candidates": [{**entry, "logProbability": -0.1 - rank} for rank in range(top)]} for entry in chosen]
    return {"chosenCandidates": chosen, "topCandidates": ranked}
