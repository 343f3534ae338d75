"""Deepgram's live listening: `GET /v1/listen` as a WebSocket (vendors.md 7, from deepgram-sdk 7.17.0 on 2026-11-23).

Audio comes as binary messages, `KeepAlive`, `Finalize`, `CloseStream` and `Configure` as text. What is said goes back
as `Results`, interim ones first where `interim_results=true`, and after `CloseStream` a `Metadata` with the length of
it all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.dialects.deepgram_live import DeepgramLive, error_frame
from gateway.dialects.live import (
    MAX_CHANNELS,
    MAX_RATE_HZ,
    Taken,
    Talk,
    message_of,
    one_each,
    plain_query,
    text_frame,
    whole_number,
    yes_or_no,
)
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import Ask, Call, Done, Event, Frame, Heard, Inbound, Live, Operation, Told

REPEATED = frozenset({"keyterm", "keywords", "redact", "replace", "search", "tag", "extra", "language_hint"})
_ELSEWHERE = ("callback", "callback_method")  # results that are posted to somebody are no answer


class DeepgramListenLive(DeepgramLive):
    name = "deepgram.listen_live"
    operation: Operation = "transcription"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        query = one_each(inbound.head, REPEATED)
        for name in _ELSEWHERE:
            if name in query:
                raise InvalidRequest(f"'{name}' is not taken: results come over this socket", param=name)
        live = Live(
            kind="listen",
            query=plain_query(inbound.head),
            encoding=query.get("encoding", ""),
            sample_rate_hz=whole_number(query, "sample_rate", MAX_RATE_HZ),
            channels=whole_number(query, "channels", MAX_CHANNELS) or 1,
            language=query.get("language"),
            has_interim=yes_or_no(query, "interim_results"),
        )
        if live.encoding in ("linear16", "mulaw", "alaw") and live.sample_rate_hz is None:
            raise InvalidRequest(f"'sample_rate' is required with encoding={live.encoding}", param="sample_rate")
        return Ask(query.get("model", ""), live, stream=True)

    def talk(self, call: Call) -> Talk:
        return ListenTalk(call)


class ListenTalk:
    def __init__(self, call: Call) -> None:
        assert isinstance(call.body, Live)
        self._call = call
        self._live = call.body
        self._bytes_per_s = call.body.bytes_per_s

    def measure(self, frame: Frame) -> tuple[float, int]:
        return (0.0 if frame.is_text or not self._bytes_per_s else len(frame.data) / self._bytes_per_s), 0

    def take(self, frame: Frame) -> Taken:
        if not frame.is_text:
            # An empty message is how the first clients of this protocol ended a stream.
            return Taken((frame.data,)) if frame.data else Taken(("end",))
        match message_of(frame)["type"]:
            case "CloseStream":
                return Taken(("end",))
            case "Finalize":
                return Taken(("flush",))
            case "KeepAlive":
                return Taken()
            case "Configure":
                return Taken(replies=(self._not_configured(),))
            case kind:
                raise InvalidRequest(
                    f"the message type {kind[:40]!r} is not known; there are KeepAlive, Finalize, CloseStream and "
                    "Configure, and audio is sent as binary messages"
                )

    def tell(self, event: Event) -> tuple[Frame, ...]:
        match event:
            case Heard():
                return (text_frame(self._results(event)),)
            case Told(name="ready"):
                return ()
            case Done():
                return (text_frame(self._metadata()),)
            case _:
                return ()

    def fault(self, error: GatewayError) -> tuple[Frame, ...]:
        return (error_frame(error),)

    def _results(self, heard: Heard) -> dict[str, Any]:
        words = [
            {
                "word": word.text.lower().strip(".,!?;:"),
                "start": word.start_s,
                "end": word.end_s,
                "confidence": 1.0 if word.confidence is None else word.confidence,
                "punctuated_word": word.text,
            }
            for word in heard.words
        ]
        target = self._call.receipt.last
        name = target.target if target is not None else ""
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "duration": round(heard.duration_s, 3),
            "start": round(heard.start_s, 3),
            "is_final": heard.is_final,
            "speech_final": heard.is_speech_end,
            "from_finalize": heard.is_flushed,
            "channel": {
                "alternatives": [{"transcript": heard.text, "confidence": 1.0 if words else 0.0, "words": words}]
            },
            "metadata": {
                "request_id": self._call.id,
                "model_info": {"name": name, "version": "", "arch": ""},
                "model_uuid": name,
            },
        }

    def _metadata(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._call.id,
            "sha256": "",
            "created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": round(self._live.session.seconds, 3),
            "channels": self._live.channels,
        }

    def _not_configured(self) -> Frame:
        return text_frame(
            {
                "type": "ConfigureFailure",
                "request_id": self._call.id,
                "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED",
                "description": "what listens here takes no settings while it does",
            }
        )
