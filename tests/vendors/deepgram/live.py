"""Deepgram's live sockets: names and values of the query and the messages' fields out of deepgram-sdk 7.17.0.

What is heard is as long as the audio: one word each half second, `w0 w1 …`. What is spoken are samples that are as many
as the text has characters, a hundred each. Codes of close frames are those of the vendor's page on them (2026-11).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl

from deepgram.listen.v1.types import (
    ListenV1CloseStream,
    ListenV1Configure,
    ListenV1Finalize,
    ListenV1KeepAlive,
)

from tests.vendors import fern
from tests.vendors.deepgram.errors import Refusal
from tests.vendors.live import Breach, LiveVendorSession

WORD_S = 0.5
LISTEN_REPEATED = frozenset({"keyterm", "keywords", "redact", "replace", "search", "tag", "extra", "language_hint"})
MODELS = ("nova-3", "nova-2", "nova", "enhanced", "base")
SAMPLE_BYTES = {"linear16": 2, "mulaw": 1, "alaw": 1}
CONTROLS: Mapping[str, Any] = {
    "KeepAlive": ListenV1KeepAlive,
    "Finalize": ListenV1Finalize,
    "CloseStream": ListenV1CloseStream,
    "Configure": ListenV1Configure,
}
MAX_SPEAK_CHARS = 2_000  # of one Speak message
REQUEST_ID = "00000000-0000-0000-0000-00000000000f"


def query_of(target: str) -> dict[str, str]:
    """Return the query of a request for a socket. Raises Refusal."""
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found and name not in LISTEN_REPEATED:
            raise Refusal(f"The query parameter {name} stands twice.")
        found[name] = value
    return found


def check_listen(query: Mapping[str, str]) -> None:
    """Raises Refusal for what /v1/listen does not take."""
    for name, value in query.items():
        if fault := fern.query_fault(_listen_rules(), {name: value}):
            raise Refusal(fault)
    if not query.get("model", "").startswith(MODELS):
        raise Refusal("Bad Request: No such model/language/tier combination found.")
    if query.get("encoding") in SAMPLE_BYTES and "sample_rate" not in query:
        raise Refusal("Bad Request: sample_rate is required with encoding.")


def check_speak(query: Mapping[str, str]) -> None:
    """Raises Refusal for what /v1/speak does not take over a socket."""
    for name, value in query.items():
        if fault := fern.query_fault(_speak_rules(), {name: value}):
            raise Refusal(fault)
    if query.get("encoding", "linear16") not in SAMPLE_BYTES:
        raise Refusal("Unsupported audio format over a socket.")


@cache
def _listen_rules() -> Mapping[str, Any]:
    return _rules("listen")


@cache
def _speak_rules() -> Mapping[str, Any]:
    return _rules("speak")


def _rules(endpoint: str) -> Mapping[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK asks websockets for a name that is on its way out
        client = import_module(f"deepgram.{endpoint}.v1.client").V1Client
    return {name: hint for name, hint in fern.known(client.connect).items() if name != "authorization"}


class ListenSession(LiveVendorSession):
    """`/v1/listen`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        query = query_of(self.record.request.target)
        self._channels = int(query.get("channels", 1))
        self._is_interim = query.get("interim_results") == "true"
        width = SAMPLE_BYTES.get(query.get("encoding", ""), 0)
        self._width = width * self._channels
        # Of audio in a container a second is what an MP3 of 64 kbit/s has.
        self._bytes_per_s = width * int(query.get("sample_rate", 0)) * self._channels or 8_000
        self._heard_bytes = 0
        self._told = 0

    async def message(self, message: bytes | str) -> bool:
        if isinstance(message, bytes):
            if self._width and len(message) % self._width:
                raise Breach(1008, "DATA-0000 the payload cannot be decoded as audio")
            if not message:
                return await self._finish()
            self._heard_bytes += len(message)
            await self._results()
            return True
        match self._control(message):
            case "Finalize":
                await self.socket.send_str(self._result(self._told, is_final=True, is_flushed=True))
            case "CloseStream":
                return await self._finish()
            case "Configure":
                await self.socket.send_str(json.dumps({"type": "ConfigureSuccess", "request_id": REQUEST_ID}))
        return True

    def _control(self, message: str) -> str:
        try:
            value = json.loads(message)
        except ValueError:
            raise Breach(1008, "DATA-0000 a text message is not JSON") from None
        kind = str(value.get("type")) if isinstance(value, dict) else ""
        if kind not in CONTROLS:
            raise Breach(1008, f"DATA-0000 unknown message type {kind[:40]}")
        model = CONTROLS[kind]
        unknown = set(value) - set(model.model_fields)
        if unknown:
            raise Breach(1008, f"DATA-0000 {kind} has no field {sorted(unknown)[0]}")
        return kind

    @property
    def _heard_s(self) -> float:
        return self._heard_bytes / self._bytes_per_s

    async def _results(self) -> None:
        if self._is_interim:
            await self.socket.send_str(self._result(self._told, is_final=False))
        while (self._told + 1) * WORD_S <= self._heard_s:
            await self.socket.send_str(self._result(self._told, is_final=True))
            self._told += 1

    async def _finish(self) -> bool:
        if self._heard_s > self._told * WORD_S:
            await self.socket.send_str(self._result(self._told, is_final=True))
        await self.socket.send_str(
            json.dumps(
                {
                    "type": "Metadata",
                    "transaction_key": "deprecated",
                    "request_id": REQUEST_ID,
                    "sha256": "0" * 64,
                    "created": "2026-11-23T00:00:00.000Z",
                    "duration": round(self._heard_s, 6),
                    "channels": self._channels,
                }
            )
        )
        await self.socket.close(code=1000)
        return False

    def _result(self, number: int, *, is_final: bool, is_flushed: bool = False) -> str:
        start_s = number * WORD_S
        duration_s = min(WORD_S, max(0.0, self._heard_s - start_s))
        word = f"w{number}" if duration_s else ""
        words = [{"word": word, "start": start_s, "end": start_s + duration_s, "confidence": 0.99}] if word else []
        return json.dumps(
            {
                "type": "Results",
                "channel_index": [0, self._channels],
                "duration": duration_s,
                "start": start_s,
                "is_final": is_final,
                "speech_final": is_final,
                "from_finalize": is_flushed,
                "channel": {"alternatives": [{"transcript": word, "confidence": 0.99, "words": words}]},
                "metadata": {
                    "request_id": REQUEST_ID,
                    "model_info": {"name": "nova-3", "version": "1", "arch": "nova-3"},
                    "model_uuid": REQUEST_ID,
                },
            }
        )


class SpeakSession(LiveVendorSession):
    """`/v1/speak`."""

    idle_s = 60.0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._query = query_of(self.record.request.target)
        self._text = ""
        self._sequence = 0

    async def opened(self) -> None:
        await self.socket.send_str(
            json.dumps(
                {
                    "type": "Metadata",
                    "request_id": REQUEST_ID,
                    "model_name": self._query.get("model", "aura-asteria-en"),
                    "model_version": "1",
                    "model_uuid": REQUEST_ID,
                }
            )
        )

    async def message(self, message: bytes | str) -> bool:
        if isinstance(message, bytes):
            raise Breach(1008, "DATA-0000 binary messages are not taken")
        try:
            value = json.loads(message)
        except ValueError:
            raise Breach(1008, "DATA-0000 a message is not JSON") from None
        fields = {"Speak": {"type", "text"}, "Flush": {"type"}, "Clear": {"type"}, "Close": {"type"}}
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in fields or set(value) != fields[kind]:
            raise Breach(1008, f"DATA-0000 no message {str(value)[:80]}")
        match kind:
            case "Speak":
                if len(value["text"]) > MAX_SPEAK_CHARS:
                    raise Breach(1009, "DATA-0001 the text has too many characters")
                self._text += value["text"]
            case "Flush":
                await self._speak()
                await self._acknowledge("Flushed")
            case "Clear":
                self._text = ""
                await self._acknowledge("Cleared")
            case "Close":
                await self._speak()
                await self.socket.close(code=1000)
                return False
        return True

    async def _speak(self) -> None:
        text, self._text = self._text, ""
        audio = b"\x01\x02" * (100 * len(text))
        for at in range(0, len(audio), 4_096):
            await self.socket.send_bytes(audio[at : at + 4_096])

    async def _acknowledge(self, kind: str) -> None:
        await self.socket.send_str(json.dumps({"type": kind, "sequence_id": self._sequence}))
        self._sequence += 1
