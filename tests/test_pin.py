"""A call pinned to one provider, and which model serves a name: over HTTP, with real vendors on the other side."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.harness import inside
from tests.vendors.openai import API_KEY, OpenAIServer

ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
voices:
  narrator: {first: nova, second: onyx}
models:
  fast: {operation: chat, targets: [first/gpt-5.4-mini, second/gpt-5.4-mini, spare/chat]}
  gpt-*: {operation: chat, targets: [first/*]}
  speak: {operation: speech, targets: [first/tts-1, second/tts-1]}
  hear: {operation: transcription, targets: [first/whisper-1, second/whisper-1]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat, model: fast}
  - {path: /v1/embeddings, dialect: openai.embeddings}
  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription, model: hear}
  - {path: /llm/generate, dialect: native.generate, model: fast}
  - {path: /tts/speak, dialect: native.tts, model: speak}
  - {path: /stt/transcribe, dialect: native.stt, model: hear}
"""


def row(name: str, url: str) -> str:
    return f"""
  {name}:
    plugin: openai
    base_url: {url}
    credentials: {{api_key: {API_KEY}}}
    models:
      gpt-5.4-mini: {{operation: chat}}
      gpt-5.4: {{operation: chat}}
      text-embedding-3-small: {{operation: embeddings}}
      tts-1: {{operation: speech}}
      whisper-1: {{operation: transcription}}
"""


@dataclass
class Setup:
    url: str
    first: OpenAIServer
    second: OpenAIServer
    http: aiohttp.ClientSession

    async def chat(self, headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, Any, Any]:
        """Return status, headers and body of a chat completion."""
        body = {"messages": [{"role": "user", "content": "hello"}], **fields}
        async with self.http.post("/v1/chat/completions", json=body, headers=headers) as response:
            return response.status, response.headers, await response.json()


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with OpenAIServer(identity="first") as first, OpenAIServer(identity="second") as second:
        providers = "version: 1\nproviders:" + row("first", first.base_url) + row("second", second.base_url)
        providers += "  absent:\n    plugin: openai\n    credentials: {api_key: '${ABSENT_KEY:-}'}\n"
        providers += "  spare:\n    plugin: sandbox\n    standby: true\n    models:\n      chat: {operation: chat}\n"
        providers += "      speech: {operation: speech}\n"
        async with inside(tmp_path, providers, ROUTES) as gateway, aiohttp.ClientSession(gateway.url) as http:
            yield Setup(gateway.url, first, second, http)


# ---------------------------------------------------------------- the pin


async def test_without_a_pin_the_first_target_serves(setup: Setup) -> None:
    _, headers, _ = await setup.chat()
    assert headers["x-gateway-provider"] == "first"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_pin_in_the_body_serves_from_there_and_never_reaches_the_vendor(setup: Setup, stream: bool) -> None:
    body = {"provider": "second", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    async with setup.http.post("/v1/chat/completions", json=body) as response:
        assert response.status == 200
        assert response.headers["x-gateway-provider"] == "second"
        await response.read()

    assert (len(setup.first.requests), len(setup.second.requests)) == (0, 1)
    assert "provider" not in json.loads(setup.second.requests[0].body)
    assert setup.second.refused == []


async def test_a_pin_in_a_header_leaves_the_clients_bytes_alone(setup: Setup) -> None:
    raw = b'{ "model": "gpt-5.4", "messages": [ {"role":"user","content":"provider"} ] }'
    headers = {"x-gateway-provider": "second", "content-type": "application/json"}
    async with setup.http.post("/v1/chat/completions", data=raw, headers=headers) as response:
        assert response.status == 200, await response.text()
    assert setup.second.requests[0].body == raw


async def test_the_official_client_pins_by_extra_body(setup: Setup) -> None:
    async with AsyncOpenAI(base_url=setup.url + "/v1", api_key="x", max_retries=0) as client:
        answer = await client.chat.completions.with_raw_response.create(
            model="fast", messages=[{"role": "user", "content": "x"}], extra_body={"provider": "second"}
        )
        assert answer.headers["x-gateway-provider"] == "second"
        vector = await client.embeddings.with_raw_response.create(
            model="text-embedding-3-small", input="x", extra_body={"provider": "second"}
        )
        assert vector.headers["x-gateway-provider"] == "second"
        speech = await client.audio.speech.with_raw_response.create(
            model="speak",
            voice="narrator",
            input="one two three",
            response_format="wav",
            extra_body={"provider": "second"},
        )
        assert speech.headers["x-gateway-provider"] == "second"
        heard = await client.audio.transcriptions.with_raw_response.create(
            model="hear", file=("a.wav", speech.content), extra_body={"provider": "second"}
        )
        assert heard.headers["x-gateway-provider"] == "second"
    assert setup.second.refused == []
    assert len(setup.first.requests) == 0


@pytest.mark.parametrize("path", ["/llm/generate", "/tts/speak"])
async def test_our_own_endpoints_take_a_pin(setup: Setup, path: str) -> None:
    body = {"prompt": "x"} if path == "/llm/generate" else {"text": "x", "format": "wav"}
    async with setup.http.post(path, json=body | {"provider": "second"}) as response:
        assert (await response.json())["provider"] == "second"


async def test_an_unknown_provider_is_400_with_the_nearest_name(setup: Setup) -> None:
    for status, _, body in (
        await setup.chat(provider="secund"),
        await setup.chat({"x-gateway-provider": "secund"}),
    ):
        assert status == 400
        assert body["error"]["param"] == "provider"
        assert "did you mean 'second'?" in body["error"]["message"]
    assert len(setup.first.requests) + len(setup.second.requests) == 0


async def test_a_provider_that_is_off_is_503_and_says_why(setup: Setup) -> None:
    status, _, body = await setup.chat(provider="absent")
    assert status == 503
    assert "ABSENT_KEY is not set" in body["error"]["message"]


async def test_two_pins_that_differ_are_refused(setup: Setup) -> None:
    status, _, body = await setup.chat({"x-gateway-provider": "first"}, provider="second")
    assert (status, body["error"]["param"]) == (400, "provider")
    status, *_ = await setup.chat({"x-gateway-provider": "second"}, provider="second")
    assert status == 200


async def test_a_pin_that_stands_twice_is_refused(setup: Setup) -> None:
    raw = b'{"provider":"first","messages":[{"role":"user","content":"x"}],"provider":"second"}'
    async with setup.http.post("/v1/chat/completions", data=raw) as response:
        assert response.status == 400
        assert "2 times" in (await response.json())["error"]["message"]


async def test_a_provider_object_is_the_clients_own_and_passes(setup: Setup) -> None:
    """OpenRouter's clients send `provider: {order: […]}`; the vendor decides what that means."""
    status, headers, _ = await setup.chat(provider={"order": ["x"]}, model="fast")
    assert headers["x-gateway-provider"] == "first"
    assert status == 400  # this vendor knows no such field, and says so itself


async def test_a_pinned_provider_never_fails_over(setup: Setup) -> None:
    await setup.first.stop_listening()
    assert (await setup.chat())[0] == 200
    status, headers, _ = await setup.chat(provider="first")
    assert status == 502
    assert headers["x-gateway-provider"] == "first"


async def test_what_stands_by_serves_where_it_is_pinned(setup: Setup) -> None:
    _, headers, _ = await setup.chat(provider="spare", model="fast")
    assert (headers["x-gateway-provider"], headers["x-gateway-model"]) == ("spare", "chat")


async def test_a_providers_first_model_serves_where_the_client_named_none(setup: Setup) -> None:
    async with setup.http.post("/tts/speak", json={"text": "x", "provider": "spare", "format": "wav"}) as response:
        assert (await response.json())["metadata"]["model"] == "speech"


async def test_a_model_that_the_provider_has_not_is_404_with_what_it_has(setup: Setup) -> None:
    status, _, body = await setup.chat(provider="spare", model="gpt-5.4")
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    assert "chat" in body["error"]["message"]


async def test_a_pinned_provider_without_the_operation_says_so(setup: Setup) -> None:
    body = {"model": "x", "input": "x", "provider": "spare"}
    async with setup.http.post("/v1/embeddings", json=body) as response:
        assert response.status == 400
        assert "no model for embeddings" in (await response.json())["error"]["message"]


# ---------------------------------------------------------------- voices under a pin


async def test_a_vendors_own_voice_passes_only_under_a_pin(setup: Setup) -> None:
    own = {"text": "x", "format": "wav", "voice": "tone-167"}
    async with setup.http.post("/tts/speak", json=own | {"provider": "spare"}) as response:
        assert response.status == 200, await response.text()
    async with setup.http.post("/tts/speak", json=own) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "voice"


async def test_a_logical_voice_is_mapped_under_a_pin_too(setup: Setup) -> None:
    body = {"text": "x", "format": "wav", "voice": "narrator", "provider": "second"}
    async with setup.http.post("/tts/speak", json=body) as response:
        assert response.status == 200
    assert json.loads(setup.second.requests[0].body)["voice"] == "onyx"


@pytest.mark.parametrize("voice", ["../../admin", "a?x=1", "a/b", "x" * 201, "a\r\nb", "..", "%2e%2e"])
async def test_a_voice_that_could_change_a_url_never_passes(setup: Setup, voice: str) -> None:
    body = {"text": "x", "format": "wav", "voice": voice, "provider": "second"}
    async with setup.http.post("/tts/speak", json=body) as response:
        assert response.status == 400
    assert len(setup.second.requests) == 0


# ---------------------------------------------------------------- which model serves a name


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("fast", "first/gpt-5.4-mini"),  # an alias
        ("gpt-5.4", "first/gpt-5.4"),  # a pattern, filled in
        ("second/gpt-5.4", "second/gpt-5.4"),  # provider/model
        ("chat", "spare/chat"),  # the vendor's own name
    ],
)
async def test_a_name_is_an_alias_a_pattern_a_target_or_the_vendors_own(setup: Setup, model: str, target: str) -> None:
    status, headers, _ = await setup.chat(model=model)
    assert status == 200
    assert f"{headers['x-gateway-provider']}/{headers['x-gateway-model']}" == target


@pytest.mark.parametrize("model", ["fats", "first/gpt-5.5x", "spare/caht", "../../admin", "fast?x=1", "x" * 300, "é"])
async def test_an_unknown_name_is_404_in_the_dialect(setup: Setup, model: str) -> None:
    status, _, body = await setup.chat(model=model)
    assert (status, body["error"]["code"], body["error"]["param"]) == (404, "model_not_found", "model")
    async with setup.http.post("/llm/generate", json={"prompt": "x", "model": model}) as response:
        assert response.status == 404
        assert (await response.json())["success"] is False


async def test_the_nearest_names_are_told(setup: Setup) -> None:
    _, _, body = await setup.chat(model="fats")
    assert "did you mean fast" in body["error"]["message"]


# ---------------------------------------------------------------- the member that is cut out


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        (b'{"provider":"a"}', b"{}"),
        (b'{"provider":"a","b":1}', b'{"b":1}'),
        (b'{"b":1,"provider":"a"}', b'{"b":1}'),
        (b'{"b":1 , "provider" : "a" , "c":2}', b'{"b":1 ,  "c":2}'),
        (b'{"b":{"provider":"x"},"provider":"a"}', b'{"b":{"provider":"x"}}'),
        (b'{"b":"\\"provider\\":\\"x\\"","\\u0070rovider":"a"}', b'{"b":"\\"provider\\":\\"x\\""}'),
        (b'{"b":1}', b'{"b":1}'),
    ],
)
def test_a_member_is_cut_out_and_every_other_byte_stays(raw: bytes, left: bytes) -> None:
    from gateway.json import remove_member

    assert remove_member(raw, "provider") == left
    assert "provider" not in json.loads(left)


# ---------------------------------------------------------------- every dialect

DIALECTS = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  chat: {operation: chat, targets: [one/chat, two/chat]}
routes:
  - {path: /v1/messages, dialect: anthropic.messages}
  - {path: /v1/messages/count_tokens, dialect: anthropic.count_tokens}
  - {path: "/v1beta/models/{model}:generateContent", dialect: gemini.generate}
  - {path: /v1/responses, dialect: openai.responses}
  - {path: /v1/completions, dialect: openai.completions}
"""
ONE_AND_TWO = "version: 1\nproviders:\n" + "".join(
    f"  {name}: {{plugin: sandbox, models: {{chat: {{operation: chat}}}}}}\n" for name in ("one", "two")
)
MESSAGE = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", MESSAGE | {"model": "chat", "max_tokens": 10}),
        ("/v1/messages/count_tokens", MESSAGE | {"model": "chat"}),
        ("/v1beta/models/chat:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
        ("/v1/responses", {"model": "chat", "input": "hello"}),
        ("/v1/completions", {"model": "chat", "prompt": "hello"}),
    ],
)
async def test_every_dialect_takes_a_pin_and_refuses_an_unknown_one_in_its_own_words(
    tmp_path: Path, path: str, body: dict[str, Any]
) -> None:
    async with inside(tmp_path, ONE_AND_TWO, DIALECTS) as gateway, aiohttp.ClientSession(gateway.url) as http:
        for fields, headers in (({"provider": "two"}, {}), ({}, {"x-gateway-provider": "two"})):
            async with http.post(path, json=body | fields, headers=headers) as response:
                assert response.status == 200
                assert response.headers["x-gateway-provider"] == "two"
        async with http.post(path, json=body | {"provider": "tow"}) as response:
            assert response.status == 400
            assert "did you mean 'two'?" in (await response.json())["error"]["message"]
