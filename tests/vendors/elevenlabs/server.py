"""The fake ElevenLabs: its paths and its key; what it says is in the files beside this one."""

from __future__ import annotations

from tests.vendors.answers import Answer
from tests.vendors.elevenlabs.errors import Refusal, fault_answer, refusal_answer
from tests.vendors.elevenlabs.listen import listen_answer
from tests.vendors.elevenlabs.speak import speak_answer
from tests.vendors.faults import Fault
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer

API_KEY = "sk_simulator_elevenlabs"


class ElevenLabsServer(VendorServer):
    """api.elevenlabs.io on 127.0.0.1. A request's `model` is its body's `model_id`."""

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

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal in ElevenLabs's error body."""
        try:
            if record.header("xi-api-key") != self.api_key:
                raise Refusal("Invalid API key", 401)
            return self._route(record)
        except Refusal as refusal:
            record.refusal = str(refusal)
            return refusal_answer(refusal)

    def error_answer(self, fault: Fault) -> Answer:
        """Return ElevenLabs's error body with the fault's status, code and retry headers."""
        return fault_answer(fault)

    def error_event(self, fault: Fault) -> bytes:
        """Return JSON amid the audio, as a broken proxy would."""
        return fault_answer(fault).events[0]

    def _route(self, record: RequestRecord) -> Answer:
        if record.method == "POST" and record.path.startswith("/v1/text-to-speech/"):
            return speak_answer(record)
        if record.method == "POST" and record.target == "/v1/speech-to-text":
            return listen_answer(record)
        raise Refusal("Not Found", 404)
