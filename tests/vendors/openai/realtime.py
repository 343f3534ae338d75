"""`wss /v1/realtime`: every event of the client's is checked by the SDK's own TypedDicts (openai 3.54.0).

What is answered says how much was committed: `heard 960 ms`. A response uses ten tokens of text and ten a second of
audio for what went in, and twenty a second of audio for what comes out, as the vendor counts.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from openai.types.realtime.realtime_client_event_param import RealtimeClientEventParam

from tests.vendors.live import Breach, LiveVendorSession
from tests.vendors.openai.errors import Refusal
from tests.vendors.strict import StrictValidator

MODELS = ("gpt-realtime", "gpt-realtime-2.1", "gpt-realtime-2.1-mini")
QUERY = frozenset({"model"})
BYTES_PER_S = 48_000
SPOKEN_S = 0.5
TEXT_TOKENS = 10


def check_realtime(target: str) -> str:
    """Return the model of a request for a socket. Raises Refusal."""
    query = dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
    if unknown := set(query) - QUERY:
        raise Refusal(f"Unknown query parameter: {sorted(unknown)[0]}")
    if query.get("model") not in MODELS:
        raise Refusal(f"The model `{query.get('model')}` does not exist.", status=404)
    return query["model"]


@cache
def _validator() -> StrictValidator:
    return StrictValidator(RealtimeClientEventParam)


class RealtimeSession(LiveVendorSession):
    """One conversation. An event that is not valid is answered by `error`, and the session goes on."""

    idle_s = 60.0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._number = 0
        self._pending_bytes = 0
        self._heard_bytes = 0
        self._items = 0

    async def opened(self) -> None:
        model = check_realtime(self.record.request.target)
        session = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": model}
        await self._tell("session.created", session=session)

    async def message(self, message: bytes | str) -> bool:
        if isinstance(message, bytes):
            raise Breach(1003, "binary messages are not supported")
        try:
            event = json.loads(message)
        except ValueError:
            await self._fail("Could not parse the event as JSON.", None)
            return True
        fault = _validator().violation(event)
        if fault is not None:
            self.record.request.refusal = f"{fault.path}: {fault.message}"
            await self._fail(f"Invalid event: {fault.path}: {fault.message}", fault.path)
            return True
        await self._take(event)
        return True

    async def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                await self._tell("session.updated", session={"id": "sess_1", **event["session"]})
            case "input_audio_buffer.append":
                self._pending_bytes += len(base64.b64decode(event["audio"], validate=True))
            case "input_audio_buffer.clear":
                self._pending_bytes = 0
                await self._tell("input_audio_buffer.cleared")
            case "input_audio_buffer.commit":
                if not self._pending_bytes:
                    await self._fail("Error committing input audio buffer: buffer too small.", None)
                    return
                self._heard_bytes += self._pending_bytes
                self._pending_bytes = 0
                self._items += 1
                await self._tell("input_audio_buffer.committed", item_id=f"item_{self._items}", previous_item_id=None)
            case "response.create":
                await self._respond()

    async def _respond(self) -> None:
        heard_s = self._heard_bytes / BYTES_PER_S
        self._heard_bytes = 0
        within = {"response_id": "resp_1", "item_id": "item_r", "output_index": 0, "content_index": 0}
        base = {"id": "resp_1", "object": "realtime.response"}
        await self._tell("response.created", response={**base, "status": "in_progress", "output": []})
        text = f"heard {round(heard_s * 1000)} ms"
        await self._tell("response.output_audio_transcript.delta", delta=text, **within)
        audio = b"\x01\x02" * int(SPOKEN_S * BYTES_PER_S / 2)
        for at in range(0, len(audio), 4_800):
            delta = base64.b64encode(audio[at : at + 4_800]).decode()
            await self._tell("response.output_audio.delta", delta=delta, **within)
        given, made = round(heard_s * 10), round(SPOKEN_S * 20)
        usage = {
            "total_tokens": TEXT_TOKENS + given + made,
            "input_tokens": TEXT_TOKENS + given,
            "output_tokens": made,
            "input_token_details": {"text_tokens": TEXT_TOKENS, "audio_tokens": given, "cached_tokens": 0},
            "output_token_details": {"text_tokens": 0, "audio_tokens": made},
        }
        await self._tell("response.done", response={**base, "status": "completed", "output": [], "usage": usage})

    async def _fail(self, text: str, param: str | None) -> None:
        error = {"type": "invalid_request_error", "code": "invalid_event", "message": text, "param": param}
        await self._tell("error", error={**error, "event_id": None})

    async def _tell(self, kind: str, **fields: Any) -> None:
        self._number += 1
        await self.socket.send_str(json.dumps({"type": kind, "event_id": f"event_{self._number}", **fields}))
