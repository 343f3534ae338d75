"""The fake Deepgram: its paths and its key; what it says is in the files beside this one."""

from __future__ import annotations

from collections import deque

from aiohttp import web

from tests.vendors.answers import Answer
from tests.vendors.deepgram import live
from tests.vendors.deepgram.errors import Refusal, fault_answer, refusal_answer
from tests.vendors.deepgram.listen import listen_answer
from tests.vendors.deepgram.speak import speak_answer
from tests.vendors.faults import Fault
from tests.vendors.live import LiveFault, LiveRecord, serve_live
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer

API_KEY = "simulator-deepgram-key"
SOCKETS = {
    "/v1/listen": (live.check_listen, live.ListenSession),
    "/v1/speak": (live.check_speak, live.SpeakSession),
}


class DeepgramServer(VendorServer):
    """api.deepgram.com on 127.0.0.1. A request's `model` is its query's."""

    def __init__(
        self,
        *,
        port: int = 0,
        event_interval_s: float = 0.0,
        kept_requests: int = KEPT_REQUESTS,
        api_key: str = API_KEY,
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.api_key = api_key
        self.sessions: list[LiveRecord] = []  # over sockets
        self.live_faults: deque[LiveFault] = deque()  # each for the next session

    async def upgrade(self, request: web.BaseRequest, record: RequestRecord) -> web.StreamResponse | None:
        """Serve `wss /v1/listen` and `wss /v1/speak`; what is refused before is an ordinary answer."""
        if (record.header("upgrade") or "").lower() != "websocket" or record.path not in SOCKETS:
            return None
        check, kind = SOCKETS[record.path]
        if record.header("authorization") != f"Token {self.api_key}":
            return None
        try:
            query = live.query_of(record.target)
            record.model = query.get("model")
            check(query)
        except Refusal:
            return None
        if self.faults.has(record.model, record.path):
            return None
        session = LiveRecord(record)
        self.sessions.append(session)
        return await serve_live(request, session, kind, self.live_faults.popleft() if self.live_faults else None)

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal in Deepgram's error body."""
        try:
            if record.header("authorization") != f"Token {self.api_key}":
                raise Refusal("Invalid credentials.", 401)
            return self._route(record)
        except Refusal as refusal:
            record.refusal = str(refusal)
            return refusal_answer(refusal)

    def error_answer(self, fault: Fault) -> Answer:
        """Return Deepgram's error body with the fault's status, code and retry headers."""
        return fault_answer(fault)

    def error_event(self, fault: Fault) -> bytes:
        """Return JSON amid the audio, as a broken proxy would."""
        return fault_answer(fault).events[0]

    def _route(self, record: RequestRecord) -> Answer:
        match record.method, record.path:
            case "POST", "/v1/speak":
                return speak_answer(record)
            case "POST", "/v1/listen":
                return listen_answer(record)
            case "GET", path if path in SOCKETS:
                SOCKETS[path][0](live.query_of(record.target))
                return Answer(426, (("content-type", "text/plain"),), (b"a WebSocket handshake is required",))
        raise Refusal("Not Found", 404)
