"""The fake Bedrock: its two paths, its signatures and keys, its errors. Wire format: vendors.md 8 (botocore 1.44.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from tests.vendors.answers import Answer
from tests.vendors.bedrock import eventstream
from tests.vendors.bedrock.converse import converse_answer, converse_events
from tests.vendors.bedrock.rules import Refusal, check_rules, find_model
from tests.vendors.bedrock.shapes import answer_fault, fault_of, parsed, with_blobs
from tests.vendors.bedrock.sigv4 import signature_fault
from tests.vendors.faults import Fault, split_model
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer
from tests.vendors.sse import compact

ACCESS_KEY = "AKIASIMULATOR0000000"
SECRET_KEY = "simulator-secret-access-key"
API_KEY = "bedrock-api-key-simulator"
SERVICE = "bedrock-runtime"
REGION = "us-east-1"
PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream)")
OPERATIONS = {"converse": "Converse", "converse-stream": "ConverseStream"}
EVENT_STREAM = (("content-type", "application/vnd.amazon.eventstream"),)
NAMES = {  # status -> the exception of a scripted failure
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class BedrockServer(VendorServer):
    """Bedrock on 127.0.0.1, as region us-east-1. `identity` is the name it answers under."""

    def __init__(
        self,
        *,
        secrets: Mapping[str, str] | None = None,
        identity: str = "bedrock",
        port: int = 0,
        event_interval_s: float = 0.0,
        kept_requests: int = KEPT_REQUESTS,
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.secrets = secrets or {ACCESS_KEY: SECRET_KEY}
        self.identity = identity

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal as AWS words it."""
        try:
            return self._converse(record)
        except Refusal as refusal:
            record.refusal = refusal.message
            return _error(refusal.status, refusal.name, refusal.message)

    def error_answer(self, fault: Fault) -> Answer:
        """Return an exception of the service with the fault's status; `code` names another exception."""
        name = fault.code or NAMES.get(fault.status, NAMES[500])
        return _error(fault.status, name, fault.message or f"{name} on demand.", fault.retry_headers())

    def error_event(self, fault: Fault) -> bytes:
        """Return an exception as the stream carries it."""
        name = fault.code or NAMES.get(fault.status, NAMES[500])
        return eventstream.exception(name[0].lower() + name[1:], fault.message or f"{name} on demand.")

    def malformed_event(self) -> bytes:
        """Return an event whose payload was changed on the way."""
        return eventstream.event("contentBlockStop", {"contentBlockIndex": 0}).replace(b"Index", b"index")

    def _converse(self, record: RequestRecord) -> Answer:
        match = PATH.fullmatch(record.path)
        if match is None or record.method != "POST":
            raise Refusal(
                "Unable to determine service/operation name to be authorized", "UnknownOperationException", 404
            )
        self._check_auth(record)
        name = OPERATIONS[match[2]]
        body = self._body(record)
        model = unquote(match[1])
        record.model = model
        try:
            params = with_blobs(SERVICE, name, body)
        except ValueError as error:
            raise Refusal(str(error), "SerializationException") from error
        plain = split_model(model)[0]
        wrong = fault_of(SERVICE, name, params | {"modelId": plain})
        if wrong is not None:
            raise Refusal(wrong)
        rule = find_model(plain)
        check_rules(params, rule)
        answer = converse_answer(params, rule, self.identity)
        if (broken := answer_fault(SERVICE, "Converse", answer)) is not None:
            raise RuntimeError(f"the simulator's own answer is not valid: {broken}")
        headers = (("x-amzn-requestid", f"req-{record.number:08d}"),)
        if name == "ConverseStream":
            return Answer(200, (*EVENT_STREAM, *headers), tuple(converse_events(answer)), is_streamed=True)
        return Answer(200, (("content-type", "application/json"), *headers), (compact(answer),))

    def _check_auth(self, record: RequestRecord) -> None:
        if record.header("authorization") == f"Bearer {API_KEY}":
            return
        fault = signature_fault(record, self.secrets, "bedrock", REGION)
        if fault is not None:
            raise Refusal("The security token or signature included in the request is invalid.", fault, 403)

    def _body(self, record: RequestRecord) -> dict[str, Any]:
        if (record.header("content-type") or "").partition(";")[0] != "application/json":
            raise Refusal("Expected content type application/json", "SerializationException", 415)
        try:
            return parsed(record.body)
        except ValueError as error:
            raise Refusal(f"The body is not JSON: {error}", "SerializationException") from error


def _error(status: int, name: str, message: str, more: tuple[tuple[str, str], ...] = ()) -> Answer:
    kinds = (("content-type", "application/json"), ("x-amzn-errortype", f"{name}:http://internal.amazon.com/"))
    return Answer(status, (*kinds, *more), (compact({"message": message}),))
