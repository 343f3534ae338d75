"""One response of a conversation in OpenAI's Realtime API, as its events (openai 3.54.0, 2026-11-23)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from gateway.types import Frame, Units

EventOf = Callable[..., Frame]


class Response:
    """Of one item with one part: spoken with its transcript, or text."""

    def __init__(self, event: EventOf, response_id: str, item_id: str, *, is_spoken: bool) -> None:
        self._event = event
        self._id = response_id
        self._item_id = item_id
        self._is_spoken = is_spoken
        self._text = ""
        self._usage: dict[str, Any] | None = None

    def begun(self) -> tuple[Frame, ...]:
        part = {"type": "audio", "transcript": ""} if self._is_spoken else {"type": "text", "text": ""}
        return (
            self._event("response.created", response=self._response("in_progress")),
            self._event(
                "response.output_item.added", response_id=self._id, output_index=0, item=self._item("in_progress", [])
            ),
            self._within("response.content_part.added", part=part),
        )

    def text(self, text: str) -> tuple[Frame, ...]:
        self._text += text
        kind = "response.output_audio_transcript.delta" if self._is_spoken else "response.output_text.delta"
        return (self._within(kind, delta=text),)

    def audio(self, data: bytes) -> tuple[Frame, ...]:
        return (self._within("response.output_audio.delta", delta=base64.b64encode(data).decode()),)

    def used(self, units: Units, before: tuple[int, int]) -> None:
        """Note the tokens of the session so far; those of the responses before this one are taken off."""
        given, made = units.input_tokens - before[0], units.output_tokens - before[1]
        self._usage = {
            "total_tokens": given + made,
            "input_tokens": given,
            "output_tokens": made,
            "input_token_details": {"text_tokens": given, "audio_tokens": 0, "cached_tokens": 0},
        }

    def done(self) -> tuple[Frame, ...]:
        if self._is_spoken:
            part = {"type": "audio", "transcript": self._text}
            ends: tuple[Frame, ...] = (
                self._within("response.output_audio.done"),
                self._within("response.output_audio_transcript.done", transcript=self._text),
            )
        else:
            part = {"type": "text", "text": self._text}
            ends = (self._within("response.output_text.done", text=self._text),)
        return (
            *ends,
            self._within("response.content_part.done", part=part),
            self._event("response.output_item.done", response_id=self._id, output_index=0, item=self.item()),
            self._event("response.done", response=self._response("completed")),
        )

    def item(self) -> dict[str, Any]:
        """Return what was said, as an item of the conversation."""
        content = (
            {"type": "output_audio", "transcript": self._text}
            if self._is_spoken
            else {"type": "output_text", "text": self._text}
        )
        return self._item("completed", [content])

    def _item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._item_id,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _response(self, status: str) -> dict[str, Any]:
        is_done = status == "completed"
        return {
            "id": self._id,
            "object": "realtime.response",
            "status": status,
            "status_details": None,
            "output": [self.item()] if is_done else [],
            "output_modalities": ["audio"] if self._is_spoken else ["text"],
            "usage": self._usage if is_done else None,
        }

    def _within(self, kind: str, **fields: Any) -> Frame:
        return self._event(kind, response_id=self._id, item_id=self._item_id, output_index=0, content_index=0, **fields)
