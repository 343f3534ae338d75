"""What a GenerateContentResponse says, as events; a whole answer and each chunk of a stream have the same shape.

Wire format: vendors.md 3 and 3.1, 2026-11-23.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from gateway import json
from gateway.errors import UpstreamMalformed
from gateway.types import Done, Event, FinishReason, TextDelta, ThinkingDelta, ToolDelta, Units

from .names import VENDOR

# Where no reason stands here it is one of a filter: SAFETY, RECITATION, LANGUAGE, BLOCKLIST, PROHIBITED_CONTENT, SPII,
# IMAGE_SAFETY and whatever is added to them.
_REASONS: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length"}
_BROKEN = frozenset(
    {
        "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE", "IMAGE_OTHER", "NO_IMAGE",
    }
)  # fmt: skip


class Reader:
    """Reads one answer, chunk by chunk: numbers its tool calls and keeps why each candidate ended."""

    def __init__(self, call_id: str) -> None:
        self._seed = call_id
        self._calls: dict[int, int] = {}  # candidate -> tool calls so far
        self._is_thinking: dict[int, bool] = {}  # candidate -> its last part was a thought
        self._has_content: set[int] = set()
        self._open: set[int] = set()
        self._ended: dict[int, tuple[str, str]] = {}  # candidate -> (finishReason, finishMessage)
        self._is_blocked = False

    def read(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the events of a chunk, but for usage and ends. Raises UpstreamMalformed."""
        if chunk.get("responseId"):
            self._seed = str(chunk["responseId"])
        self._is_blocked = self._is_blocked or _is_blocked(chunk)
        for candidate in _objects(chunk.get("candidates")):
            index = candidate.get("index") or 0
            self._open.add(index)
            content = candidate.get("content")
            for part in _objects(content.get("parts") if isinstance(content, dict) else None):
                yield from self._part(part, index)
            if candidate.get("finishReason"):
                self._ended[index] = (str(candidate["finishReason"]), str(candidate.get("finishMessage") or ""))

    @property
    def is_complete(self) -> bool:
        """Whether every candidate that began has ended, or the prompt was blocked; there is no other end mark."""
        return self._is_blocked or (bool(self._open) and self._open <= self._ended.keys())

    @property
    def failure(self) -> str | None:
        """Why the model failed, where it did and nothing was said: another model may then do better."""
        broken = [f"{reason} {message[:500]}" for reason, message in self._ended.values() if reason in _BROKEN]
        return f"the vendor's model failed: {broken[0].rstrip()}" if broken and not self._has_content else None

    def ends(self) -> Iterator[Done]:
        """Yield why each candidate ended."""
        if self._is_blocked and not self._open:
            yield Done("content_filter")
        for index in sorted(self._open):
            yield Done(self._reason(self._ended.get(index, ("STOP", ""))[0], index), index)

    def _reason(self, reason: str, index: int) -> FinishReason:
        if reason in _BROKEN:
            return "error"
        found = _REASONS.get(reason, "content_filter")
        return "tool_calls" if found == "stop" and self._calls.get(index) else found

    def _part(self, part: Mapping[str, Any], index: int) -> Iterator[Event]:
        text, call, signature = part.get("text"), part.get("functionCall"), part.get("thoughtSignature")
        is_thought = bool(part.get("thought"))
        if is_thought:
            is_new = not self._is_thinking.get(index)
            yield ThinkingDelta(str(text or ""), signature, index, vendor=VENDOR, is_new=is_new)
        elif signature:
            yield ThinkingDelta("", signature, index, vendor=VENDOR, is_new=True)
        self._is_thinking[index] = is_thought
        if is_thought:
            return
        if isinstance(text, str) and text:
            self._has_content.add(index)
            yield TextDelta(text, index)
        elif isinstance(call, dict):
            self._has_content.add(index)
            yield self._call(call, index)

    def _call(self, call: Mapping[str, Any], index: int) -> ToolDelta:
        """A call comes whole. Its id is optional; one is made of the answer's, so that it is the same when replayed."""
        name, args = call.get("name"), call.get("args") or {}
        if not isinstance(name, str) or not isinstance(args, dict):
            raise UpstreamMalformed("a functionCall of the vendor's answer has no name, or args that are no object")
        position = self._calls.get(index, 0)
        self._calls[index] = position + 1
        digest = hashlib.sha256(f"{self._seed}/{index}/{position}".encode()).hexdigest()[:24]
        return ToolDelta(position, json.dumps(args).decode(), call.get("id") or f"call_{digest}", name, index)


def has_content(chunk: Mapping[str, Any]) -> bool:
    """Say whether a chunk carries anything that a client waits for, or says that nothing will come."""
    return _is_blocked(chunk) or any(
        candidate.get("finishReason") or (candidate.get("content") or {}).get("parts")
        for candidate in _objects(chunk.get("candidates"))
    )


def read_usage(usage: Mapping[str, Any]) -> Units:
    """Google counts thoughts beside the candidates' tokens and what tools read beside the prompt's; both are summed."""
    thoughts = usage.get("thoughtsTokenCount") or 0
    return Units(
        input_tokens=(usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0),
        cached_input_tokens=usage.get("cachedContentTokenCount") or 0,
        output_tokens=(usage.get("candidatesTokenCount") or 0) + thoughts,
        reasoning_tokens=thoughts,
        input_audio_tokens=_audio_tokens(usage.get("promptTokensDetails")),
        output_audio_tokens=_audio_tokens(usage.get("candidatesTokensDetails")),
    )


def _audio_tokens(details: Any) -> int:
    counts = (item.get("tokenCount") for item in _objects(details) if item.get("modality") == "AUDIO")
    return sum(count for count in counts if isinstance(count, int))


def _is_blocked(chunk: Mapping[str, Any]) -> bool:
    feedback = chunk.get("promptFeedback")
    return isinstance(feedback, dict) and bool(feedback.get("blockReason"))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item
