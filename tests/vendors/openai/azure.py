"""A fake Azure OpenAI: OpenAI's endpoints behind Azure's key, paths and content filter results (vendors.md 8).

The v1 surface `/openai/v1/...` names the deployment as `model`; the dated one has it in the path, and `api-version`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.vendors.answers import Answer
from tests.vendors.openai.errors import Refusal
from tests.vendors.openai.server import OpenAIServer
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact, data_event

DATED = re.compile(r"/openai/deployments/([^/]+)(/.+)")
SAFE = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
PROMPT_RESULTS = [{"prompt_index": 0, "content_filter_results": SAFE}]


class AzureServer(OpenAIServer):
    """`deployments` are the names of models of the fake OpenAI."""

    api_prefix = "/openai/v1"

    def check_auth(self, record: RequestRecord) -> None:
        """Refuse a request without exactly the right `api-key`, and one that leaks a bearer token besides."""
        values = [value for name, value in record.headers if name.lower() == "api-key"]
        if values != [self.api_key] or record.header("authorization") is not None:
            text = "Access denied due to invalid subscription key or wrong API endpoint."
            raise Refusal(text, None, "401", 401)

    def route_of(self, record: RequestRecord) -> str:
        """Return OpenAI's own path for one of Azure's; the dated surface's deployment must exist."""
        dated = DATED.fullmatch(record.path)
        query = parse_qs(record.target.partition("?")[2])
        if dated is None:
            if not record.path.startswith("/openai/v1/"):
                raise Refusal("Resource not found", None, "404", 404)
            return record.path.removeprefix("/openai")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", (query.get("api-version") or [""])[0]):
            raise Refusal("Missing required query parameter: api-version", None, "404", 404)
        if json.loads(record.body or b"{}").get("model") not in (None, unquote(dated[1])):
            raise Refusal("The deployment of the path and the model of the body differ.", "model")
        return "/v1" + dated[2]

    def answer(self, record: RequestRecord) -> Answer:
        """Return OpenAI's answer with Azure's filter results: in a stream, a first chunk without choices."""
        answer = super().answer(record)
        if answer.status != 200 or not record.path.endswith("/chat/completions"):
            return answer
        if answer.is_streamed:
            frame: dict[str, Any] = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            first = data_event(frame | {"prompt_filter_results": PROMPT_RESULTS})
            return dataclasses.replace(answer, events=(first, *answer.events))
        body = json.loads(answer.events[0]) | {"prompt_filter_results": PROMPT_RESULTS}
        for choice in body["choices"]:
            choice["content_filter_results"] = SAFE
        return dataclasses.replace(answer, events=(compact(body),))
