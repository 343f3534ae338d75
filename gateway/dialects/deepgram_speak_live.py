"""Deepgram's live speech: `GET /v1/speak` as a WebSocket (vendors.md 7, from deepgram-sdk 7.17.0 on 2026-11-23).

`Speak` gives text, `Flush` has it spoken, `Clear` forgets what is not spoken yet, `Close` ends. Audio comes back as
binary messages without a head, `Metadata`, `Flushed`, `Cleared` and `Warning` as text.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.dialects.deepgram_live import DeepgramLive, error_frame
from gateway.dialects.live import (
    MAX_RATE_HZ,
    Taken,
    Talk,
    message_of,
    one_each,
    plain_query,
    text_frame,
    whole_number,
)
from gateway.errors import GatewayError, InvalidRequest, WrongFrame
from gateway.types import Ask, Call, Event, Frame, Inbound, Live, Operation, Say, Told

ENCODINGS = ("linear16", "mulaw", "alaw")
DEFAULT_RATE_HZ = 24_000
_SPEEDS = (0.25, 4.0)
# A voice is a model of theirs: family, name, language.
_VOICE = re.compile(r"(aura(?:-2)?)-[a-z]{2,40}-[a-z]{2}")


class DeepgramSpeakLive(DeepgramLive):
    name = "deepgram.speak_live"
    operation: Operation = "speech"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        query = one_each(inbound.head, frozenset())
        encoding = query.get("encoding", "linear16")
        if encoding not in ENCODINGS:
            raise InvalidRequest(
                f"'encoding' must be one of {', '.join(ENCODINGS)} over a socket, not {encoding[:40]!r}",
                param="encoding",
            )
        model = query.get("model", "")
        voice = _VOICE.fullmatch(model)
        live = Live(
            kind="speak",
            query=plain_query(inbound.head),
            encoding=encoding,
            sample_rate_hz=whole_number(query, "sample_rate", MAX_RATE_HZ) or DEFAULT_RATE_HZ,
            voice=model if voice else "",
            speed=_speed(query),
        )
        return Ask(voice[1] if voice else model, live, stream=True)

    def talk(self, call: Call) -> Talk:
        return SpeakTalk(call)


class SpeakTalk:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._sequence = 0  # of what is acknowledged

    def measure(self, frame: Frame) -> tuple[float, int]:
        if not frame.is_text or b'"Speak"' not in frame.data:
            return 0.0, 0
        try:
            message = message_of(frame)
        except InvalidRequest:
            return 0.0, 0  # whoever takes it says what is wrong
        text = message.get("text") if message["type"] == "Speak" else None
        return 0.0, len(text) if isinstance(text, str) else 0

    def take(self, frame: Frame) -> Taken:
        if not frame.is_text:
            raise WrongFrame("text to be spoken is sent in text messages; binary ones are not taken")
        message = message_of(frame)
        match message["type"]:
            case "Speak":
                if not isinstance(message.get("text"), str):
                    raise InvalidRequest("a message of type Speak must have a 'text'")
                return Taken((Say(message["text"]),))
            case "Flush":
                return Taken(("flush",))
            case "Clear":
                return Taken(("clear",))
            case "Close":
                return Taken(("end",))
            case kind:
                raise InvalidRequest(
                    f"the message type {kind[:40]!r} is not known; there are Speak, Flush, Clear and Close"
                )

    def tell(self, event: Event) -> tuple[Frame, ...]:
        match event:
            case Told(name="ready"):
                return (text_frame(self._metadata()),)
            case Told(name="flushed"):
                return (self._acknowledged("Flushed"),)
            case Told(name="cleared"):
                return (self._acknowledged("Cleared"),)
            case _:
                return ()

    def fault(self, error: GatewayError) -> tuple[Frame, ...]:
        return (error_frame(error),)

    def _metadata(self) -> dict[str, Any]:
        last = self._call.receipt.last
        name = last.target if last is not None else ""
        return {
            "type": "Metadata",
            "request_id": self._call.id,
            "model_name": name,
            "model_version": "",
            "model_uuid": name,
        }

    def _acknowledged(self, kind: str) -> Frame:
        frame = text_frame({"type": kind, "sequence_id": self._sequence})
        self._sequence += 1
        return frame


def _speed(query: dict[str, str]) -> float:
    try:
        speed = float(query.get("speed", "1"))
    except ValueError:
        speed = 0.0
    if not _SPEEDS[0] <= speed <= _SPEEDS[1]:
        raise InvalidRequest(f"'speed' must be a number from {_SPEEDS[0]:g} to {_SPEEDS[1]:g}", param="speed")
    return speed
