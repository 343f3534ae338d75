"""One conversation of OpenAI's Realtime API, held for whoever answers without speaking that protocol himself.

Turns are taken by `input_audio_buffer.commit` and `response.create`: nobody here listens for the end of speech. Shapes
are those of openai 3.54.0's models of events, 2026-11-23.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from gateway.dialects.live import Taken, message_of, text_frame
from gateway.dialects.openai_errors import error_object
from gateway.dialects.openai_realtime_response import Response
from gateway.errors import GatewayError, InvalidRequest, WrongFrame
from gateway.types import AudioChunk, Call, Event, Frame, Heard, Live, Opened, Respond, TextDelta, Told, Usage

MODALITIES = (["text"], ["audio"])
DEFAULT_VOICE = "alloy"
_BYTES_PER_S = {"audio/pcm": 48_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
_APPEND = "input_audio_buffer.append"
_ROLES = frozenset({"user", "assistant", "system"})
_UNSERVED = {
    "conversation.item.truncate": "audio that was sent is not taken back here",
    "conversation.item.retrieve": "items are not kept with their audio here",
    "output_audio_buffer.clear": "there is no buffer of output over a WebSocket",
}


class RealtimeTalk:
    def __init__(self, call: Call) -> None:
        assert isinstance(call.body, Live)
        self._call = call
        self._numbers: dict[str, int] = {}
        self._bytes_per_s = _BYTES_PER_S["audio/pcm"]
        self._instructions = ""
        self._modalities = ["audio"]
        self._voice = DEFAULT_VOICE
        self._items: list[dict[str, Any]] = []
        self._pending_bytes = 0  # of audio that is not committed yet
        self._committed: list[str] = []  # ids of items whose text is still being heard
        self._turn = ""  # of what is heard since the last commit
        self._response: Response | None = None
        self._used = (0, 0)  # tokens of all responses before this one

    # ------------------------------------------------------------ from the client

    def measure(self, frame: Frame) -> tuple[float, int]:
        """Return the seconds of audio in an append; follows the format that the session is given."""
        if not frame.is_text:
            return 0.0, 0
        try:
            event = message_of(frame)
        except InvalidRequest:
            return 0.0, 0  # whoever takes it says what is wrong
        if event["type"] == _APPEND and isinstance(event.get("audio"), str):
            return len(event["audio"]) * 3 // 4 / self._bytes_per_s, 0
        if event["type"] == "session.update":
            kind = _inner(event, "session", "audio", "input", "format", "type")
            self._bytes_per_s = _BYTES_PER_S.get(str(kind), self._bytes_per_s)
        return 0.0, 0

    def take(self, frame: Frame) -> Taken:
        if not frame.is_text:
            raise WrongFrame("events are JSON in text messages; audio goes into them as base64")
        event: dict[str, Any] = {}
        try:
            event = message_of(frame)
            return self._take(event)
        except InvalidRequest as error:  # an event that cannot be served ends nothing
            event_id = event.get("event_id")
            return Taken(replies=(error_event(error, self._call.id, event_id if isinstance(event_id, str) else None),))

    def _take(self, event: dict[str, Any]) -> Taken:
        match event["type"]:
            case "session.update":
                return self._update(event.get("session"))
            case "input_audio_buffer.append":
                audio = _audio(event.get("audio"))
                self._pending_bytes += len(audio)
                return Taken((audio,))
            case "input_audio_buffer.commit":
                return self._commit()
            case "input_audio_buffer.clear":
                self._pending_bytes = 0
                return Taken(("clear",), (self._event("input_audio_buffer.cleared"),))
            case "conversation.item.create":
                return self._create_item(event.get("item"))
            case "conversation.item.delete":
                return self._delete_item(event.get("item_id"))
            case "response.create":
                return self._respond(event.get("response") or {})
            case "response.cancel":
                raise InvalidRequest("there is no response to be cancelled: each is made at once here")
            case kind if kind in _UNSERVED:
                raise InvalidRequest(f"'{kind}' is not served here: {_UNSERVED[kind]}")
            case kind:
                raise InvalidRequest(f"the event type {kind[:60]!r} is not known", param="type")

    def _update(self, session: Any) -> Taken:
        if not isinstance(session, dict):
            raise InvalidRequest("'session' must be an object", param="session")
        kind = _inner(session, "audio", "input", "format", "type")
        if kind not in (None, "audio/pcm"):
            raise InvalidRequest("only audio/pcm is taken here", param="session.audio.input.format.type")
        if _inner(session, "audio", "input", "turn_detection") is not None:
            raise InvalidRequest(
                "nobody listens for the end of speech here: leave 'turn_detection' null, commit the audio and create "
                "the response",
                param="session.audio.input.turn_detection",
            )
        if session.get("tools"):
            raise InvalidRequest("no tools are called in a conversation here", param="session.tools")
        modalities = session.get("output_modalities", self._modalities)
        if modalities not in MODALITIES:
            raise InvalidRequest('\'output_modalities\' is ["audio"] or ["text"]', param="session.output_modalities")
        self._modalities = modalities
        self._instructions = str(session.get("instructions", self._instructions))
        self._voice = str(_inner(session, "audio", "output", "voice") or self._voice)
        return Taken(replies=(self._event("session.updated", session=self._session()),))

    def _commit(self) -> Taken:
        if not self._pending_bytes:
            raise InvalidRequest("the input audio buffer is empty; append audio before committing it")
        self._pending_bytes = 0
        item = {
            "id": self._id("item"),
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        committed = self._event(
            "input_audio_buffer.committed", item_id=item["id"], previous_item_id=self._last_item_id()
        )
        self._committed.append(str(item["id"]))
        return Taken(("flush",), (committed, *self._added(item)))

    def _create_item(self, given: Any) -> Taken:
        if not isinstance(given, dict) or given.get("type") != "message" or given.get("role") not in _ROLES:
            raise InvalidRequest("'item' must be a message of user, assistant or system", param="item")
        content = given.get("content")
        texts = content if isinstance(content, list) else []
        if not texts or not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in texts):
            raise InvalidRequest("an item's 'content' must be parts of text here", param="item.content")
        item_id = given.get("id") if isinstance(given.get("id"), str) else self._id("item")
        item = {"object": "realtime.item", "status": "completed", **given, "id": item_id}
        return Taken(replies=self._added(item))

    def _delete_item(self, item_id: Any) -> Taken:
        before = len(self._items)
        self._items = [item for item in self._items if item["id"] != item_id]
        if len(self._items) == before:
            raise InvalidRequest(f"there is no item {str(item_id)[:60]!r}", param="item_id")
        return Taken(replies=(self._event("conversation.item.deleted", item_id=item_id),))

    def _respond(self, given: dict[str, Any]) -> Taken:
        if self._response is not None:
            raise InvalidRequest("a response is being made already; wait for its response.done")
        modalities = given.get("output_modalities", self._modalities)
        if modalities not in MODALITIES:
            raise InvalidRequest('\'output_modalities\' is ["audio"] or ["text"]', param="response.output_modalities")
        is_spoken = modalities == ["audio"]
        self._response = Response(self._event, self._id("resp"), self._id("item"), is_spoken=is_spoken)
        instructions = str(given.get("instructions") or self._instructions)
        asked = Respond(tuple(_said(item) for item in self._items), instructions, self._voice, is_spoken)
        return Taken((asked,), self._response.begun())

    # ------------------------------------------------------------ to the client

    def tell(self, event: Event) -> tuple[Frame, ...]:
        response = self._response
        match event:
            case Opened():
                return (self._event("session.created", session=self._session()),)
            case Heard():
                return self._heard(event)
            case TextDelta(text=text) if response is not None:
                return response.text(text)
            case AudioChunk(data=data) if response is not None:
                return response.audio(data)
            case Usage(units=units) if response is not None:
                response.used(units, self._used)
                self._used = units.input_tokens, units.output_tokens
                return ()
            case Told(name="responded") if response is not None:
                self._response = None
                self._items.append(response.item())
                return response.done()
            case _:
                return ()

    def fault(self, error: GatewayError) -> tuple[Frame, ...]:
        return (error_event(error, self._call.id),)

    def _heard(self, heard: Heard) -> tuple[Frame, ...]:
        if not heard.is_final:
            return ()
        self._turn = f"{self._turn} {heard.text}".strip()
        if not heard.is_flushed or not self._committed:
            return ()
        item_id, text, self._turn = self._committed.pop(0), self._turn, ""
        for item in self._items:
            if item["id"] == item_id:
                item["content"][0]["transcript"] = text
        return (
            self._event(
                "conversation.item.input_audio_transcription.completed",
                item_id=item_id,
                content_index=0,
                transcript=text,
                usage={"type": "duration", "seconds": round(heard.duration_s, 3)},
            ),
        )

    def _added(self, item: dict[str, Any]) -> tuple[Frame, ...]:
        previous = self._last_item_id()
        self._items.append(item)
        return (
            self._event("conversation.item.added", item=item, previous_item_id=previous),
            self._event("conversation.item.done", item=item, previous_item_id=previous),
        )

    def _last_item_id(self) -> str | None:
        return str(self._items[-1]["id"]) if self._items else None

    def _session(self) -> dict[str, Any]:
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": f"sess_{self._call.id}",
            "model": self._call.model,
            "output_modalities": self._modalities,
            "instructions": self._instructions,
            "tools": [],
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 24_000}, "turn_detection": None},
                "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": self._voice},
            },
        }

    def _event(self, kind: str, **fields: Any) -> Frame:
        return text_frame({"type": kind, "event_id": self._id("event"), **fields})

    def _id(self, kind: str) -> str:
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{kind}_{self._call.id}_{number}"


def error_event(error: GatewayError, request_id: str, event_id: str | None = None) -> Frame:
    """Return `error`; `event_id` is that of the client's event which caused it."""
    told = error_object(error, request_id)["error"]
    assert isinstance(told, dict)
    cause = {key: told[key] for key in ("message", "type", "param", "code")} | {"event_id": event_id}
    return text_frame({"type": "error", "event_id": f"event_{request_id}_error", "error": cause})


def _said(item: dict[str, Any]) -> tuple[str, str]:
    """Return who said what; ("audio", "") is for whoever hears to fill in."""
    part = item["content"][0]
    if part.get("type") == "input_audio":
        return "audio", ""
    texts = (each.get("text") or each.get("transcript") or "" for each in item["content"])
    return str(item["role"]), "\n".join(map(str, texts))


def _audio(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InvalidRequest("'audio' must be base64", param="audio") from error


def _inner(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
