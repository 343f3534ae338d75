"""One call to one target: what the plugin builds is signed and sent, what comes is parsed, and nothing is left open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.chain import close
from gateway.errors import GatewayError, UpstreamCut, UpstreamMalformed, UpstreamRateLimited, UpstreamRejected
from gateway.plugin import Inline
from gateway.types import Call, Done, Event, Target, TextDelta, UpstreamRequest, UpstreamResponse
from gateway.upstream import Upstream
from gateway.upstream.attempt import MAX_ERROR_BODY_BYTES, attempt_with
from gateway.upstream.http import HttpTransport
from tests.given import Closed, call, drained, response, target


class Vendor:
    """A plugin whose vendor gives `answer` and which reads each chunk as text."""

    def __init__(self, answer: UpstreamResponse) -> None:
        self.answer = answer
        self.backend = Inline(self._answer)
        self.sent: list[UpstreamRequest] = []
        self.error_body = b""
        self.parse_fault: BaseException | None = None

    async def _answer(self, request: UpstreamRequest) -> UpstreamResponse:
        self.sent.append(request)
        return self.answer

    def build(self, asked: Call, at: Target) -> UpstreamRequest:
        return UpstreamRequest("POST", at.provider.base_url, {"x-model": at.model.name}, b"{}")

    def sign(self, request: UpstreamRequest, at: Target) -> UpstreamRequest:
        return replace(request, headers={**request.headers, "x-signed": at.provider.credentials["api_key"]})

    def parse(self, asked: Call, found: UpstreamResponse) -> AsyncIterator[Event]:
        if self.parse_fault is not None:
            raise self.parse_fault
        return self._events(found)

    async def _events(self, found: UpstreamResponse) -> AsyncIterator[Event]:
        async for piece in found.chunks:
            yield TextDelta(piece.decode())
        yield Done()

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        self.error_body = body
        if status == 429:
            return UpstreamRateLimited("slow down", retry_after_s=float(headers["retry-after"]))
        return UpstreamRejected(body.decode()[:100])

    @property
    def closed(self) -> int:
        assert isinstance(self.answer.close, Closed)
        return self.answer.close.count


async def attempted(vendor: Vendor) -> tuple[Any, list[Event]]:
    upstream = Upstream(HttpTransport("1.1 test"))
    answer = await attempt_with(upstream)(call(at=target(plugin=vendor)))
    return answer, await drained(answer.events)


async def test_what_was_built_is_signed_and_sent_and_the_answer_parsed() -> None:
    vendor = Vendor(response(b"a", b"b"))
    answer, events = await attempted(vendor)
    assert events == [TextDelta("a"), TextDelta("b"), Done()]
    assert vendor.sent[0].headers == {"x-model": "model", "x-signed": "sk-canary"}
    assert vendor.closed == 0
    await close(answer)
    assert vendor.closed == 1


@pytest.mark.parametrize("status", [199, 300, 307, 400, 500, 599])
async def test_any_other_status_is_an_error_and_closed(status: int) -> None:
    vendor = Vendor(response(b"no such cheese", status=status))
    with pytest.raises(UpstreamRejected, match="no such cheese"):
        await attempted(vendor)
    assert vendor.closed == 1


@pytest.mark.parametrize("status", [200, 201, 299])
async def test_every_2xx_is_an_answer(status: int) -> None:
    assert len((await attempted(Vendor(response(b"a", status=status))))[1]) == 2


async def test_an_errors_body_is_read_to_a_bound() -> None:
    vendor = Vendor(response(*[b"<html>" * 5000] * 100, status=500))
    with pytest.raises(UpstreamRejected):
        await attempted(vendor)
    assert len(vendor.error_body) == MAX_ERROR_BODY_BYTES


@pytest.mark.parametrize("pieces", [(UpstreamCut("cut"),), (b'{"err', UpstreamCut("cut"))])
async def test_an_errors_status_counts_though_its_body_is_cut(pieces: tuple[bytes | BaseException, ...]) -> None:
    vendor = Vendor(response(*pieces, status=429, headers={"retry-after": "7"}))
    with pytest.raises(UpstreamRateLimited) as caught:
        await attempted(vendor)
    assert caught.value.retry_after_s == 7
    assert vendor.closed == 1


async def test_a_plugin_that_raises_leaves_nothing_open() -> None:
    for fault in (UpstreamMalformed("no"), RuntimeError("ours")):
        vendor = Vendor(response(b"a"))
        vendor.parse_fault = fault
        with pytest.raises(type(fault)):
            await attempted(vendor)
        assert vendor.closed == 1


async def test_the_vendors_errors_name_their_target_once_and_the_clients_do_not() -> None:
    vendor = Vendor(response(b"a", UpstreamCut("the answer was cut")))
    with pytest.raises(UpstreamCut) as caught:
        await attempted(vendor)
    assert caught.value.message == "vendor/model: the answer was cut"
    vendor = Vendor(response(b"'voice' must be a string", status=400))
    with pytest.raises(UpstreamRejected) as rejected:
        await attempted(vendor)
    assert rejected.value.message == "'voice' must be a string"


async def test_a_vendors_error_that_quotes_the_key_is_told_without_it() -> None:
    vendor = Vendor(response(b"bad key: Bearer sk-canary", status=400))
    with pytest.raises(UpstreamRejected, match=r"^bad key: Bearer \[hidden\]$"):
        await attempted(vendor)

    vendor = Vendor(response())
    vendor.parse_fault = UpstreamCut("sk-canary was cut")
    with pytest.raises(UpstreamCut) as caught:
        await attempted(vendor)
    assert caught.value.message == "vendor/model: [hidden] was cut"


async def test_without_a_target_it_is_a_fault_of_ours() -> None:
    with pytest.raises(RuntimeError, match="failover"):
        await attempt_with(Upstream(HttpTransport("1.1 test")))(call())


async def test_the_operators_headers_go_out_and_win() -> None:
    vendor = Vendor(response(b"a"))
    provider = replace(
        target(plugin=vendor, credentials={"api_key": "k"}).provider, headers={"X-Model": "mine", "X-Org": "o"}
    )
    at = replace(target(plugin=vendor), provider=provider)
    await drained((await attempt_with(Upstream(HttpTransport("1.1 test")))(call(at=at))).events)
    assert vendor.sent[0].headers == {"x-model": "mine", "x-org": "o", "x-signed": "k"}


async def test_a_parser_that_trips_over_an_answer_makes_the_answer_malformed() -> None:
    class Trusting(Vendor):
        async def _events(self, found: UpstreamResponse) -> AsyncIterator[Event]:
            fields: dict[str, str] = {}
            yield TextDelta(fields["text"])

    with pytest.raises(UpstreamMalformed, match=r"vendor/model: .* shape"):
        await attempted(Trusting(response(b"{}")))
