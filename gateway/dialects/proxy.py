"""Pass-through: a vendor's own endpoint under the gateway's address, `/proxy/{provider}/…`.

The request goes out as it came, but for what belongs to this connection, to the caller's key, or to a proxy before us;
the answer comes back likewise. Headers go by a list of what is safe, since a new one may always be a credential.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import unquote_plus

from gateway.dialects.openai_errors import encode_json_error
from gateway.errors import GatewayError, UpstreamCut
from gateway.types import Ask, Call, Event, Inbound, Operation, Passage, Passed, Rendered, Verbatim

# Of a request. What a vendor calls `<vendor>-version` or `-beta` chooses its behaviour; `-organization` and `-project`
# choose who pays, which is the operator's to say.
_ASKED = frozenset(
    {
        "accept", "accept-language", "content-disposition", "content-language", "content-type", "idempotency-key",
        "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "prefer", "range",
        "openai-beta", "anthropic-beta", "anthropic-version",
    }
)  # fmt: skip
# Of an answer. No cookie, no CORS policy of the vendor's, no redirect that would lead a client past the gateway.
_ANSWERED = frozenset(
    {
        "accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-language",
        "content-length", "content-range", "etag", "expires", "last-modified", "retry-after", "retry-after-ms",
    }
)  # fmt: skip
_REQUEST_IDS = ("x-request-id", "request-id", "x-goog-request-id", "x-amzn-requestid", "dg-request-id")
_CREDENTIALS = frozenset({"key", "api_key", "apikey", "api-key", "access_token", "token"})  # of a query
_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Proxy:
    name = "proxy"
    operation: Operation = "proxy"
    takes_form = False
    takes_upload = True

    def decode(self, inbound: Inbound) -> Ask:
        head = inbound.head
        passage = Passage(
            method=head.method,
            provider=head.params["provider"],
            path=head.params["path"],
            query=plain_query(head.raw_query),
            headers={name: value for name, value in head.headers.items() if name in _ASKED},
            upload=inbound.upload if inbound.upload is not None and inbound.upload.size_bytes else None,
        )
        return Ask("", passage, stream=True)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        first = await anext(events, None)
        if not isinstance(first, Passed):
            raise UpstreamCut("the vendor gave no answer")
        kind = first.headers.get("content-type", "application/octet-stream")
        return Rendered(kind, _body(events), first.status, safe_headers(first.headers))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        """The gateway's own errors; a vendor's pass as they are."""
        return encode_json_error(error, request_id)


def plain_query(query: str) -> str:
    """Return a query without the parameters that carry keys, every other byte as it was."""
    kept = [pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]).lower() not in _CREDENTIALS]
    return "&".join(kept)


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of a vendor's headers a client gets; the vendor's id of the request under a name of ours."""
    safe = {name: value for name, value in headers.items() if name in _ANSWERED}
    found = next((headers[name] for name in _REQUEST_IDS if name in headers), "")
    if _ID.fullmatch(found):
        safe["x-gateway-upstream-request-id"] = found
    return safe


async def _body(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    async for event in events:
        if isinstance(event, Verbatim):
            yield event.data
