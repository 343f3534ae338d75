"""The fake Gemini: its paths, its key; what it says is in the files beside this one."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from tests.vendors.answers import Answer
from tests.vendors.faults import Fault
from tests.vendors.gemini.contents_limits import check_contents
from tests.vendors.gemini.embeddings import batch_answer, embed_answer
from tests.vendors.gemini.errors import JSON_HEADERS, Refusal, bad_key, fault_body, refusal_answer
from tests.vendors.gemini.generate import event, generate_answer, stream_answer
from tests.vendors.gemini.models import RULES, find_model
from tests.vendors.gemini.schema import checked_body
from tests.vendors.gemini.usage import PromptCache, prompt_tokens
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer
from tests.vendors.sse import compact

API_KEY = "AIza-simulator-gemini"
METHOD = re.compile(r"/(v1|v1beta|v1alpha)/models/([^/:]+):(\w+)")
MODEL = re.compile(r"/(v1|v1beta|v1alpha)/models(?:/([^/:]+))?")


class GeminiServer(VendorServer):
    """Gemini on 127.0.0.1. `identity` is the name it answers under, to tell two of them apart."""

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        identity: str = "gemini",
        port: int = 0,
        event_interval_s: float = 0.0,
        kept_requests: int = KEPT_REQUESTS,
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.api_key = api_key
        self.identity = identity
        self._prompts = PromptCache()

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal in Google's error body."""
        try:
            self._check_key(record)
            return self._route(record)
        except Refusal as refusal:
            record.refusal = refusal.message
            return refusal_answer(refusal)

    def error_answer(self, fault: Fault) -> Answer:
        """Return Google's error body with the fault's status; the wait stands in it, not in a header."""
        return Answer(fault.status, (*JSON_HEADERS, *fault.headers), (compact(fault_body(fault)),))

    def error_event(self, fault: Fault) -> bytes:
        """Return the error as an event; the SDK raises ServerError on an `error` in one."""
        return event(fault_body(fault))

    def reset(self) -> None:
        """Forget requests, faults and cached prompts."""
        super().reset()
        self._prompts.clear()

    def _check_key(self, record: RequestRecord) -> None:
        headers = [value for name, value in record.headers if name.lower() == "x-goog-api-key"]
        keys = headers + parse_qs(record.target.partition("?")[2]).get("key", [])
        if not keys:
            text = "Method doesn't allow unregistered callers (callers without established identity)."
            raise Refusal(text, 403, "PERMISSION_DENIED")
        if keys != [self.api_key]:
            raise bad_key()

    def _route(self, record: RequestRecord) -> Answer:
        method = METHOD.fullmatch(record.path)
        if record.method == "POST" and method is not None:
            record.model = method[2]
            return self._call(record, method[2], method[3])
        found = MODEL.fullmatch(record.path)
        if record.method == "GET" and found is not None and found[2]:
            return Answer(200, JSON_HEADERS, (compact(find_model(found[2]).as_json()),))
        if record.method == "GET" and found is not None:
            return Answer(200, JSON_HEADERS, (compact({"models": [rule.as_json() for rule in RULES]}),))
        raise Refusal(f"The requested URL {record.path} was not found on this server.", 404, "NOT_FOUND")

    def _call(self, record: RequestRecord, model: str, method: str) -> Answer:
        as_sse = parse_qs(record.target.partition("?")[2]).get("alt") == ["sse"]
        match method:
            case "generateContent":
                return generate_answer(record, model, self.identity, self._prompts)
            case "streamGenerateContent":
                return stream_answer(record, model, self.identity, self._prompts, as_sse=as_sse)
            case "countTokens":
                return _count_answer(record, model)
            case "embedContent":
                return embed_answer(record, model)
            case "batchEmbedContents":
                return batch_answer(record, model)
        raise Refusal(f"Method not found: {method}", 404, "NOT_FOUND")


def _count_answer(record: RequestRecord, model: str) -> Answer:
    """`contents` alone, or a whole `generateContentRequest` that names its model; not both."""
    rule = find_model(model, "chat")
    body = checked_body(record, "countTokens")
    whole = body.get("generateContentRequest")
    if whole is not None and (body.get("contents") or whole.get("model") != f"models/{model}"):
        raise Refusal("generate_content_request needs its model, and contents must then be empty")
    request = whole if whole is not None else body
    check_contents(request.get("contents") or [], rule)
    tokens = prompt_tokens(request)
    reply = {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}
    return Answer(200, JSON_HEADERS, (compact(reply),))
