"""The fake OpenAI: its paths, its key, its headers; what it says is in the files beside this one."""

from __future__ import annotations

import dataclasses
from collections import deque
from urllib.parse import unquote

from aiohttp import web

from tests.vendors.answers import Answer
from tests.vendors.faults import Fault
from tests.vendors.live import LiveFault, LiveRecord, serve_live
from tests.vendors.openai.chat import chat_answer
from tests.vendors.openai.chat_usage import PromptCache
from tests.vendors.openai.completions import completions_answer
from tests.vendors.openai.embeddings import embeddings_answer
from tests.vendors.openai.errors import JSON_HEADERS, Refusal, fault_body, refusal_answer
from tests.vendors.openai.models import RULES, find_model
from tests.vendors.openai.realtime import RealtimeSession, check_realtime
from tests.vendors.openai.requests import check_key
from tests.vendors.openai.responses import Memory, responses_answer
from tests.vendors.openai.speech import speech_answer
from tests.vendors.openai.transcription import transcription_answer, translation_answer
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer
from tests.vendors.sse import compact, data_event

API_KEY = "sk-simulator-openai"
REALTIME = "/v1/realtime"
PROCESSING_MS = "12"
# Plausible values; the live API's are not verified. Durations are Go style, as "6m0s".
RATE_LIMIT_HEADERS = (
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "2000000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "1999976"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("x-ratelimit-reset-tokens", "1s"),
)


class OpenAIServer(VendorServer):
    """OpenAI on 127.0.0.1. `identity` is the name it answers under, to tell two of them apart."""

    api_prefix = "/v1"

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        identity: str = "openai",
        port: int = 0,
        event_interval_s: float = 0.0,
        kept_requests: int = KEPT_REQUESTS,
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.api_key = api_key
        self.identity = identity
        self._prompts = PromptCache()
        self._memory: Memory = {}
        self.sessions: list[LiveRecord] = []  # over sockets
        self.live_faults: deque[LiveFault] = deque()  # each for the next session

    async def upgrade(self, request: web.BaseRequest, record: RequestRecord) -> web.StreamResponse | None:
        """Serve `wss /v1/realtime`; what is refused before is an ordinary answer."""
        if (record.header("upgrade") or "").lower() != "websocket" or self.route_of(record) != REALTIME:
            return None
        try:
            self.check_auth(record)
            record.model = check_realtime(record.target)
        except Refusal:
            return None
        if self.faults.has(record.model, record.path):
            return None
        session = LiveRecord(record)
        self.sessions.append(session)
        fault = self.live_faults.popleft() if self.live_faults else None
        return await serve_live(request, session, RealtimeSession, fault, protocols=("realtime",))

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal in OpenAI's error body."""
        try:
            self.check_auth(record)
            answer = self._route(record, self.route_of(record))
        except Refusal as refusal:
            record.refusal = refusal.message
            answer = refusal_answer(refusal)
        return self._with_headers(answer, record)

    def check_auth(self, record: RequestRecord) -> None:
        """Refuse a request without exactly the right key."""
        check_key(record, self.api_key)

    def route_of(self, record: RequestRecord) -> str:
        """Return the path under which OpenAI has what is asked for; for vendors that have it elsewhere."""
        return record.path

    def error_answer(self, fault: Fault) -> Answer:
        """Return OpenAI's error body with the fault's status, code and retry headers."""
        headers = (*JSON_HEADERS, ("x-request-id", "req_fault"), *fault.retry_headers())
        return Answer(fault.status, headers, (compact(fault_body(fault)),))

    def error_event(self, fault: Fault) -> bytes:
        """Return the error as an event, in the form of responses for a fault of that path.

        Elsewhere the SDK raises APIError on an event with a truthy `error`.
        """
        body = fault_body(fault)
        if fault.path != "/v1/responses":
            return data_event(body)
        named = {name: body["error"][name] for name in ("code", "message", "param")}
        return data_event({"type": "error", "sequence_number": 99} | named, "error")

    def reset(self) -> None:
        """Forget requests, faults and cached prompts."""
        super().reset()
        self._prompts.clear()
        self._memory.clear()

    def _route(self, record: RequestRecord, path: str) -> Answer:
        match record.method, path:
            case "POST", "/v1/responses":
                return responses_answer(record, self.identity, self._prompts, self._memory)
            case "POST", "/v1/completions":
                return completions_answer(record, self.identity)
            case "POST", "/v1/chat/completions":
                return chat_answer(record, self.identity, self._prompts)
            case "POST", "/v1/embeddings":
                return embeddings_answer(record)
            case "POST", "/v1/audio/speech":
                return speech_answer(record)
            case "POST", "/v1/audio/transcriptions":
                return transcription_answer(record, self.identity)
            case "POST", "/v1/audio/translations":
                return translation_answer(record, self.identity)
            case "GET", "/v1/realtime":
                check_realtime(record.target)
                return Answer(426, JSON_HEADERS, (compact({"error": "a WebSocket handshake is required"}),))
            case "GET", "/v1/models":
                body = {"object": "list", "data": [rule.as_json() for rule in RULES]}
                return Answer(200, JSON_HEADERS, (compact(body),))
            case "GET", _ if path.startswith("/v1/models/") and path.count("/") == 3:
                record.model = unquote(path.removeprefix("/v1/models/"))
                return Answer(200, JSON_HEADERS, (compact(find_model(record.model).as_json()),))
        raise Refusal(f"Invalid URL ({record.method} {record.path})", status=404)

    def _with_headers(self, answer: Answer, record: RequestRecord) -> Answer:
        common = (
            ("x-request-id", f"req_{record.number:08d}"),
            ("openai-processing-ms", PROCESSING_MS),
            ("openai-version", "2020-10-01"),
            ("openai-organization", "sim-org"),
        )
        limits = RATE_LIMIT_HEADERS if record.method == "POST" and answer.status == 200 else ()
        return dataclasses.replace(answer, headers=(*answer.headers, *common, *limits))
