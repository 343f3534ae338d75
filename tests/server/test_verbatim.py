"""A client that speaks the vendor's own format: every byte passes both ways but for the model's name and the key.

Any fields, in any order and any spelling of JSON; answers cut into pieces anywhere.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import inside

ROUTES = """
version: 1
keys: {anonymous: loopback}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/responses, dialect: openai.responses}
"""
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Exchange:
    """What the vendor was sent, and what it answers."""

    port: int = 0
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    content_type: str = "application/json"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append((headers, await request.read()))
        response = web.StreamResponse(headers={"content-type": self.content_type})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in self.chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        await response.write_eof()
        return response


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Run gateway and vendor in a thread, so that examples can be drawn outside of their loop."""
    ready, done = threading.Event(), asyncio.Event()
    made = Exchange()
    loop = asyncio.new_event_loop()

    async def serve(folder: Path) -> None:
        runner = web.ServerRunner(web.Server(made.answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        row = (
            "version: 1\nproviders:\n  v:\n    plugin: openai\n    credentials: {api_key: the-vendors-key}\n"
            f"    base_url: http://127.0.0.1:{runner.addresses[0][1]}/v1\n"
            "    options: {api: both, max_tokens_field: max_completion_tokens}\n    models: {m: {operation: chat}}\n"
        )
        async with inside(folder, row, ROUTES) as gateway:
            made.port = int(gateway.url.rpartition(":")[2])
            ready.set()
            await done.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(tmp_path_factory.mktemp("verbatim"))))
    thread.start()
    assert ready.wait(20)
    yield made
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()


def ask(exchange: Exchange, path: str, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=20)
    headers = {"content-type": "application/json", "authorization": "Bearer the-clients-key", "openai-beta": "x=1"}
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def cut(draw: Any, body: bytes) -> list[bytes]:
    places = sorted(set(draw(st.lists(st.integers(1, max(1, len(body) - 1)), max_size=6))))
    edges = [0, *[place for place in places if place < len(body)], len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
# Fields that nobody has heard of; the vendor may have.
EXTRA = st.dictionaries(st.from_regex(r"x_[a-z\"\\\u00e9 ]{0,8}", fullmatch=True), VALUES, max_size=4)


@st.composite
def requests(draw: Any, *, is_response: bool = False) -> tuple[bytes, bytes, bool]:
    """Return the client's bytes, the vendor's, and whether a stream is asked for."""
    is_streamed = draw(st.booleans())
    said = draw(st.text(st.characters(blacklist_categories=["Cs"]), max_size=20))
    fields: list[tuple[str, Any]] = list(draw(EXTRA).items())
    fields.append(("input", said) if is_response else ("messages", [{"role": "user", "content": said}]))
    fields.append(("stream", is_streamed))
    if is_streamed and not is_response:
        fields.append(("stream_options", {"include_usage": True}))
    fields = draw(st.permutations([*fields, ("model", "v/m")]))
    spelling: dict[str, Any] = {
        "indent": draw(st.sampled_from([None, 1, "\t"])),
        "ensure_ascii": draw(st.booleans()),
        "separators": draw(st.sampled_from([(",", ":"), (" , ", " :\n")])),
    }
    sent = json.dumps(dict(fields), **spelling).encode()
    wanted = json.dumps({key: "m" if key == "model" else value for key, value in fields}, **spelling).encode()
    return sent, wanted, is_streamed


@st.composite
def answers(draw: Any, *, is_streamed: bool, is_response: bool) -> tuple[bytes, list[bytes]]:
    """Return a whole answer and the pieces in which it comes."""
    extra = draw(EXTRA)
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    if not is_streamed:
        whole: dict[str, Any] = {"output": [], "status": "completed"} if is_response else {"choices": [{"index": 0}]}
        body = json.dumps(extra | whole, indent=draw(st.sampled_from([None, 2]))).encode()
        return body, cut(draw, body)
    events = [": a comment"]
    if is_response:
        delta = {"type": "response.output_text.delta", "delta": "a"} | extra
        end = {"type": "response.completed", "response": {"status": "completed"} | extra}
        events += [f"event: {event['type']}{newline}data: {json.dumps(event)}" for event in (delta, end)]
    else:
        chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]} | extra
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        events += [f"data: {json.dumps(chunk)}", f"data:{json.dumps(end)}", "data: [DONE]"]
    body = "".join(event + newline * 2 for event in events).encode()
    return body, cut(draw, body)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@SETTINGS
@given(data=st.data())
def test_bytes_pass_both_ways_but_for_model_and_key(exchange: Exchange, path: str, data: st.DataObject) -> None:
    is_response = path.endswith("responses")
    sent, wanted, is_streamed = data.draw(requests(is_response=is_response))
    body, exchange.chunks = data.draw(answers(is_streamed=is_streamed, is_response=is_response))
    exchange.content_type = "text/event-stream" if is_streamed else "application/json"
    response, got = ask(exchange, path, sent)
    headers, received = exchange.received.pop()
    assert response.status == 200, got
    assert received == wanted
    assert got == body
    assert headers["authorization"] == "Bearer the-vendors-key"
    assert headers["openai-beta"] == "x=1"
    assert "the-clients-key" not in str(headers)


def test_usage_that_the_client_did_not_ask_for_is_asked_for_and_kept_from_it(exchange: Exchange) -> None:
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":null}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
    done = b"data: [DONE]\n\n"
    exchange.chunks, exchange.content_type = [chunk, usage, done], "text/event-stream"
    sent = b'{"model": "v/m", "messages": [{"role": "user", "content": "x"}], "stream": true}'
    _, got = ask(exchange, "/v1/chat/completions", sent)
    _, received = exchange.received.pop()
    wanted = sent.replace(b"v/m", b"m").replace(b"true}", b'true,"stream_options":{"include_usage":true}}')
    assert received == wanted
    assert got == chunk + done
