"""Bad input is a 4xx in the client's dialect that names the field and the remedy: never a 500, never a trace."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.harness import ROUTES, SANDBOX, Inside, inside
from tests.vendors.tones import tone_pcm, wav_file

MESSAGE = {"role": "user", "content": "x"}
CHAT = "/v1/chat/completions"
SPEECH = "/v1/audio/speech"
HEAR = "/v1/audio/transcriptions"
EMBED = "/v1/embeddings"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Inside]:
    routes = ROUTES.replace(
        'listen: "127.0.0.1:0"', 'listen: "127.0.0.1:0", max_body_bytes: 12000000, max_upload_bytes: 3000000'
    )
    async with inside(tmp_path, SANDBOX, routes) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def refused(response: aiohttp.ClientResponse, status: int, param: str | None = None) -> str:
    """Check an answer against OpenAI's shape of errors; return its message."""
    body = await response.read()
    assert response.status == status, body[:300]
    error: dict[str, Any] = orjson.loads(body)["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert error["param"] == param
    assert "Traceback" not in body.decode()
    assert response.headers["x-request-id"] == error["request_id"]
    return str(error["message"])


@pytest.mark.parametrize(
    ("path", "body", "status", "param", "says"),
    [
        (CHAT, b"", 400, None, "empty"),
        (CHAT, b"not json", 400, None, "not JSON"),
        (CHAT, b'{"model": "chat"', 400, None, "not JSON"),
        (CHAT, b"\xff\xfe{}", 400, None, "not JSON"),
        (CHAT, b"[]", 400, None, "must be a JSON object"),
        (CHAT, b"[" * 100_000, 400, None, "not JSON"),
        (CHAT, {"messages": [MESSAGE]}, 400, "model", "GET /v1/models"),
        (CHAT, {"model": 5, "messages": [MESSAGE]}, 400, "model", "must be a string, not a number"),
        (CHAT, {"model": "nothing", "messages": [MESSAGE]}, 404, "model", "not served for chat"),
        (CHAT, {"model": "speak", "messages": [MESSAGE]}, 404, "model", "not served for chat"),
        (CHAT, {"model": "../../admin", "messages": [MESSAGE]}, 404, "model", "not served"),
        (CHAT, {"model": "chat"}, 400, "messages", "is required"),
        (CHAT, {"model": "chat", "messages": []}, 400, "messages", "at least 1"),
        (CHAT, {"model": "chat", "messages": "hi"}, 400, "messages", "must be an array"),
        (CHAT, {"model": "chat", "messages": ["hi"]}, 400, "messages[0]", "must be an object"),
        (CHAT, {"model": "chat", "messages": [{"content": "x"}]}, 400, "messages[0].role", "is required"),
        (CHAT, {"model": "chat", "messages": [{"role": "king", "content": "x"}]}, 400, "messages[0].role", "one of"),
        (CHAT, {"model": "chat", "messages": [{"role": "user"}]}, 400, "messages[0].content", "is required"),
        (CHAT, {"model": "chat", "messages": [{"role": "user", "content": 5}]}, 400, "messages[0].content", "array"),
        (CHAT, {"model": "chat", "messages": [MESSAGE], "stream": "yes"}, 400, "stream", "true or false"),
        (CHAT, {"model": "chat", "messages": [MESSAGE], "temperature": 2.1}, 400, "temperature", "from 0 to 2"),
        (CHAT, {"model": "chat", "messages": [MESSAGE], "temperature": "hot"}, 400, "temperature", "must be a number"),
        (CHAT, {"model": "chat", "messages": [MESSAGE], "n": 0}, 400, "n", "from 1 to 128"),
        (CHAT, {"model": "chat", "messages": [MESSAGE], "stop": ["a"] * 5}, 400, "stop", "at most 4"),
        (CHAT, {"model": "chat", "messages": [MESSAGE], "stream_options": {}}, 400, "stream_options", "'stream': true"),
        (SPEECH, {"voice": "nova"}, 400, "input", "is required"),
        (SPEECH, {"voice": "nova", "input": ""}, 400, "input", "something to say"),
        (SPEECH, {"voice": "nova", "input": " \n\t "}, 400, "input", "something to say"),
        (SPEECH, {"voice": "nova", "input": "x" * 10_000_000}, 400, "input", "at most 1000000 characters"),
        (SPEECH, {"input": "x"}, 400, "voice", "is required"),
        (SPEECH, {"voice": "nobody", "input": "x"}, 400, "voice", "alloy"),
        (SPEECH, {"voice": "nova", "input": "x", "speed": 4.1}, 400, "speed", "from 0.25 to 4"),
        (SPEECH, {"voice": "nova", "input": "x", "response_format": "midi"}, 400, "response_format", "one of mp3"),
        (SPEECH, {"voice": "nova", "input": "x", "response_format": "flac"}, 400, "response_format", "mp3, pcm, wav"),
        (EMBED, {"input": ""}, 400, "input", "must not be empty"),
        (EMBED, {"input": []}, 400, "input", "at least 1"),
        (EMBED, {"input": ["a"] * 2049}, 400, "input", "at most 2048"),
        (EMBED, {"input": [1.5]}, 400, "input[0]", "token ids"),
        (EMBED, {"input": "x", "dimensions": 0}, 400, "dimensions", "from 1"),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_a_bad_body_is_refused_by_name(
    gateway: Inside, http: aiohttp.ClientSession, path: str, body: Any, status: int, param: str | None, says: str
) -> None:
    data = io.BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
    async with http.post(gateway.url + path, data=data) as response:
        assert says in await refused(response, status, param)


@pytest.mark.parametrize("size", [12_000_000, 12_000_001])
async def test_the_limit_of_a_body_is_exact(gateway: Inside, http: aiohttp.ClientSession, size: int) -> None:
    start = b'{"model":"chat","messages":[{"role":"user","content":"'
    end = b'"}],"max_tokens":1}'
    body = start + b"x" * (size - len(start) - len(end)) + end
    for data in (io.BytesIO(body), _in_chunks(body)):
        async with http.post(gateway.url + CHAT, data=data) as response:
            if size > 12_000_000:
                assert "larger than 12000000 bytes" in await refused(response, 413)
            else:
                assert response.status == 200


async def test_a_declared_length_over_the_limit_is_refused_before_it_is_read(gateway: Inside) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n{" % CHAT.encode())
    async with asyncio.timeout(2):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


def form(**fields: Any) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        if isinstance(value, bytes):
            data.add_field(name, io.BytesIO(value), filename="a.wav", content_type="audio/wav")
        else:
            data.add_field(name, value)
    return data


WAV = wav_file(tone_pcm(480, 0.2))


@pytest.mark.parametrize(
    ("fields", "status", "param", "says"),
    [
        ({"prompt": ""}, 400, "file", "one uploaded file"),
        ({"file": b""}, 400, "file", "is empty"),
        ({"file": b"this is not audio at all" * 100}, 400, "file", "not audio"),
        ({"file": b"PK\x03\x04" + b"\0" * 1000}, 400, "file", "'a.wav'"),
        ({"file": WAV, "response_format": "docx"}, 400, "response_format", "one of json"),
        ({"file": WAV, "temperature": "warm"}, 400, "temperature", "from 0 to 1"),
        ({"file": WAV, "timestamp_granularities[]": "letter"}, 400, "timestamp_granularities", "word or segment"),
        ({"file": WAV, "model": "chat"}, 404, "model", "not served for transcription"),
        ({"file": WAV}, 422, None, "sandbox"),
        ({"file": WAV + b"\0" * 3_000_000}, 413, None, "larger than 3000000"),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_a_bad_upload_is_refused_by_name(
    gateway: Inside, http: aiohttp.ClientSession, fields: dict[str, Any], status: int, param: str | None, says: str
) -> None:
    data = form(model="transcribe", **fields) if "model" not in fields else form(**fields)
    async with http.post(gateway.url + HEAR, data=data) as response:
        assert says in await refused(response, status, param)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"garbage"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nno header\r\n\r\nvalue\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nvalue without a name\r\n--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 100, b"--x--"),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--\r\n"),
    ],
)
async def test_a_broken_multipart_is_a_400(
    gateway: Inside, http: aiohttp.ClientSession, content_type: str, body: bytes
) -> None:
    async with http.post(gateway.url + HEAR, data=body, headers={"content-type": content_type}) as response:
        assert response.status == 400
        assert orjson.loads(await response.read())["error"]["message"]


async def _in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1_000_000):
        yield body[start : start + 1_000_000]
