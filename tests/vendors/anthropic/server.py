"""The fake Anthropic: its paths, its key, its headers; what it says is in the files beside this one."""

from __future__ import annotations

import dataclasses
from urllib.parse import parse_qs, unquote

from tests.vendors.answers import Answer
from tests.vendors.anthropic.errors import JSON_HEADERS, Refusal, fault_body, refusal_answer
from tests.vendors.anthropic.messages import count_answer, message_answer
from tests.vendors.anthropic.models import RULES, find_model
from tests.vendors.anthropic.requests import check_key, version_of
from tests.vendors.anthropic.usage import PromptCache
from tests.vendors.faults import Fault
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer
from tests.vendors.sse import compact, data_event

API_KEY = "sk-ant-simulator"
# Plausible values; the live API's are not verified. Resets are RFC 3339.
RATE_LIMIT_HEADERS = (
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("anthropic-ratelimit-requests-reset", "2026-11-23T12:00:01Z"),
    ("anthropic-ratelimit-tokens-limit", "2000000"),
    ("anthropic-ratelimit-tokens-remaining", "1999000"),
    ("anthropic-ratelimit-tokens-reset", "2026-11-23T12:00:01Z"),
)


class AnthropicServer(VendorServer):
    """Anthropic on 127.0.0.1. `identity` is the name it answers under, to tell two of them apart."""

    api_prefix = "/v1"

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        identity: str = "anthropic",
        port: int = 0,
        event_interval_s: float = 0.0,
        kept_requests: int = KEPT_REQUESTS,
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.api_key = api_key
        self.identity = identity
        self._cache = PromptCache()

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal in Anthropic's error body."""
        request_id = f"req_{record.number:08d}"
        try:
            check_key(record, self.api_key)
            answer = self._route(record)
        except Refusal as refusal:
            record.refusal = refusal.message
            answer = refusal_answer(refusal, request_id)
        limits = RATE_LIMIT_HEADERS if record.method == "POST" and answer.status == 200 else ()
        common = (("request-id", request_id), ("anthropic-organization-id", "sim-org"))
        return dataclasses.replace(answer, headers=(*answer.headers, *common, *limits))

    def error_answer(self, fault: Fault) -> Answer:
        """Return Anthropic's error body with the fault's status, code and retry headers."""
        headers = (*JSON_HEADERS, ("request-id", "req_fault"), *fault.retry_headers())
        return Answer(fault.status, headers, (compact(fault_body(fault)),))

    def error_event(self, fault: Fault) -> bytes:
        """Return the error as an event named `error`, which the SDK raises on."""
        return data_event(fault_body(fault), "error")

    def malformed_event(self) -> bytes:
        """Return a delta that is framed right and cannot be parsed."""
        return b'event: content_block_delta\ndata: {"type": "content_block_delta", \n\n'

    def reset(self) -> None:
        """Forget requests, faults and cached prompts."""
        super().reset()
        self._cache.clear()

    def _route(self, record: RequestRecord) -> Answer:
        match record.method, record.path:
            case "POST", "/v1/messages":
                return message_answer(record, self.identity, self._cache)
            case "POST", "/v1/messages/count_tokens":
                return count_answer(record)
            case "GET", "/v1/models":
                version_of(record)
                return _models(record)
            case "GET", path if path.startswith("/v1/models/") and path.count("/") == 3:
                version_of(record)
                record.model = unquote(path.removeprefix("/v1/models/"))
                return Answer(200, JSON_HEADERS, (compact(find_model(record.model).as_json()),))
        raise Refusal("Not Found", 404, "not_found_error")


def _models(record: RequestRecord) -> Answer:
    query = parse_qs(record.target.partition("?")[2])
    limit = int(query.get("limit", ["20"])[0])
    ids = [rule.id for rule in RULES]
    start = ids.index(query["after_id"][0]) + 1 if "after_id" in query else 0
    page = [rule.as_json() for rule in RULES[start : start + limit]]
    body = {
        "data": page,
        "has_more": start + limit < len(RULES),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }
    return Answer(200, JSON_HEADERS, (compact(body),))
