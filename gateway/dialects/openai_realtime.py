"""OpenAI's Realtime API: `GET /v1/realtime?model=…` as a WebSocket (from openai 3.54.0, 2026-11-23).

All messages are JSON events in text. With the vendor itself they pass as they are; `openai_realtime_talk.py` holds the
conversation where somebody else answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.live import NotRendered, Talk, one_each, plain_query
from gateway.dialects.openai_errors import encode_json_error
from gateway.dialects.openai_realtime_talk import RealtimeTalk, error_event
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import Ask, Call, Inbound, Live, Operation

RATE_HZ = 24_000  # of PCM, in and out
_PROTOCOL = "realtime"
_KEY_PROTOCOL = "openai-insecure-api-key."  # how a browser, which cannot set headers, sends its key


class OpenAIRealtime(NotRendered):
    name = "openai.realtime"
    operation: Operation = "realtime"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        query = one_each(inbound.head, frozenset())
        if "call_id" in query:
            raise InvalidRequest("'call_id' joins a call at the vendor, which is not passed on", param="call_id")
        live = Live(kind="converse", query=plain_query(inbound.head), encoding="linear16", sample_rate_hz=RATE_HZ)
        return Ask(query.get("model", ""), live, stream=True)

    def subprotocol(self, offered: Sequence[str]) -> tuple[str, str]:
        key = next((word for word in offered if word.startswith(_KEY_PROTOCOL)), "")
        return (_PROTOCOL if _PROTOCOL in offered else ""), key.removeprefix(_KEY_PROTOCOL)

    def talk(self, call: Call) -> Talk:
        return RealtimeTalk(call)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return error_event(error, request_id).data if started else encode_json_error(error, request_id)
