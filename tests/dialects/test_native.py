"""The gateway's own endpoints, by plain HTTP: what goes in, what comes out, and what is refused by name."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness import ROUTES, SANDBOX, inside
from tests.vendors.openai import API_KEY, OpenAIServer

NATIVE = """
  - {path: /llm/generate, dialect: native.generate, model: chat}
  - {path: /tts/speak, dialect: native.tts, model: speak}
  - {path: /stt/transcribe, dialect: native.stt, model: transcribe}
  - {path: /tts/voices, dialect: native.voices}
  - {path: /v1/audio/voices, dialect: openai.voices}
"""


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with inside(tmp_path, routes=ROUTES + NATIVE) as gateway, aiohttp.ClientSession(gateway.url) as session:
        yield session


async def post(http: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    async with http.post(path, json=body) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def upload(http: aiohttp.ClientSession, **parts: Any) -> tuple[int, dict[str, Any]]:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in parts.items():
        if isinstance(value, bytes):
            form.add_field(name, value, filename="it.wav")
        else:
            form.add_field(name, value)
    async with http.post("/stt/transcribe", data=form) as response:
        return response.status, await response.json()


# ---------------------------------------------------------------- POST /llm/generate


async def test_a_prompt_is_answered_with_what_it_took(http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, "/llm/generate", {"prompt": "zebra crossing", "temperature": 0.5})

    assert status == 200
    assert (answer["success"], answer["text"], answer["provider"]) == (True, "zebra crossing", "sandbox")
    assert answer["usage"]["input_tokens"] == 4  # the sandbox counts a token for every four bytes
    assert answer["usage"]["total_tokens"] == 8
    assert answer["cost_usd"] == pytest.approx((4 * 1 + 4 * 2) / 1e6)
    assert 0 <= answer["response_time_ms"] < 10_000
    assert answer["metadata"]["model"] == "chat"
    assert answer["metadata"]["finish_reason"] == "stop"


async def test_what_was_answered_before_costs_nothing(tmp_path: Path) -> None:
    routes = ROUTES + NATIVE.replace("model: chat}", "model: chat, cache: {ttl_s: 60}}")
    async with inside(tmp_path, routes=routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        _, first = await post(http, "/llm/generate", {"prompt": "again"})
        _, second = await post(http, "/llm/generate", {"prompt": "again"})

    assert first["cost_usd"] > 0
    assert second["cost_usd"] == 0
    assert second["text"] == first["text"]
    assert second["metadata"]["cache"] == "hit"


async def test_max_tokens_and_system_and_stop_are_honoured(http: aiohttp.ClientSession) -> None:
    body = {"prompt": "one two three four five six", "max_tokens": 2, "system": "be short", "stop": ["six"]}
    _, answer = await post(http, "/llm/generate", body)

    assert answer["metadata"]["finish_reason"] == "length"
    assert answer["usage"]["output_tokens"] == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", 3), ("prompt", None), ("prompt", ""), ("prompt", " \n"), ("system", 1), ("model", ["chat"]),
        ("provider", 1), ("temperature", "hot"), ("temperature", 2.1), ("temperature", True), ("top_p", -1),
        ("max_tokens", 0), ("max_tokens", 1.5), ("max_tokens", "1"), ("stop", 4), ("stop", ["a"] * 5), ("seed", "x"),
        ("reasoning_effort", "extreme"), ("stream", True), ("stream", "no"), ("user", 1),
    ],
)  # fmt: skip
async def test_a_wrong_field_of_generate_is_named(http: aiohttp.ClientSession, field: str, value: Any) -> None:
    status, answer = await post(http, "/llm/generate", {"prompt": "hello", field: value})

    assert status == 400
    assert answer["success"] is False
    assert answer["error"]["param"].startswith(field)
    assert field in answer["error"]["message"]
    assert set(answer["error"]) == {"code", "message", "param", "request_id"}


async def test_a_field_that_is_not_known_is_told_with_the_nearest(http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, "/llm/generate", {"prompt": "hello", "temprature": 1})
    assert status == 400
    assert "did you mean 'temperature'?" in answer["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"prompt"', b"null"])
async def test_a_body_that_is_no_object_is_refused(http: aiohttp.ClientSession, body: bytes) -> None:
    for path in ("/llm/generate", "/tts/speak"):
        async with http.post(path, data=body) as response:
            assert response.status == 400
            assert (await response.json())["success"] is False


async def test_an_unknown_model_is_404_with_the_nearest_names(http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, "/llm/generate", {"prompt": "hello", "model": "caht"})
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (404, "model_not_found", "model")
    assert "chat" in answer["error"]["message"]


async def test_a_vendors_error_comes_in_our_shape(tmp_path: Path) -> None:
    providers = SANDBOX + "      broken: {operation: chat, options: {fault: server_error}}\n"
    routes = ROUTES + NATIVE
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        status, answer = await post(http, "/llm/generate", {"prompt": "hello", "model": "sandbox/broken"})
    assert status == 503
    assert answer["error"]["code"] == "upstream_unavailable"


# ---------------------------------------------------------------- POST /tts/speak, POST /stt/transcribe


async def test_what_is_spoken_is_written_down_again(http: aiohttp.ClientSession) -> None:
    status, spoken = await post(http, "/tts/speak", {"text": "zebra crossing", "format": "wav", "voice": "nova"})
    assert status == 200
    assert (spoken["format"], spoken["provider"]) == ("wav", "sandbox")
    assert spoken["cost_usd"] == pytest.approx(14 * 15 / 1e6)
    audio = bytes.fromhex(spoken["audio_data"])
    assert len(audio) == spoken["metadata"]["size_bytes"]
    with wave.open(io.BytesIO(audio)) as reader:
        assert reader.getframerate() == spoken["metadata"]["sample_rate_hz"] == 24_000

    for name in ("file", "audio"):
        status, heard = await upload(http, **{name: audio, "language": "en"})
        assert status == 200, heard
        assert (heard["success"], heard["text"], heard["language"]) == (True, "zebra crossing", "en")
        assert heard["metadata"]["duration_s"] == pytest.approx(0.936, abs=0.01)
        assert heard["cost_usd"] > 0


async def test_base64_and_hex_are_the_same_bytes(http: aiohttp.ClientSession) -> None:
    body = {"text": "one", "format": "wav"}
    _, as_hex = await post(http, "/tts/speak", body | {"encoding": "hex"})
    _, as_base64 = await post(http, "/tts/speak", body | {"encoding": "base64"})
    _, by_default = await post(http, "/tts/speak", body)
    assert bytes.fromhex(as_hex["audio_data"]) == base64.b64decode(as_base64["audio_data"])
    assert by_default["audio_data"] == as_hex["audio_data"]


async def test_a_long_text_is_spoken_whole(http: aiohttp.ClientSession) -> None:
    text = "word " * 2000
    _, spoken = await post(http, "/tts/speak", {"text": text, "format": "wav", "speed": 4})
    assert spoken["metadata"]["characters"] == len(text)
    assert len(spoken["audio_data"]) == 2 * spoken["metadata"]["size_bytes"] > 524_288  # written out in a thread


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", 1), ("text", ""), ("text", "  "), ("text", None), ("text", "x" * 1_000_001), ("voice", 1),
        ("voice", "nobody"), ("model", 1), ("provider", {}), ("format", "midi"), ("format", 1), ("speed", "fast"),
        ("speed", 0.2), ("speed", 4.1), ("encoding", "ascii85"), ("language", 1), ("instructions", []),
        ("sample_rate_hz", "24k"), ("sample_rate_hz", 1), ("ssml", "yes"), ("pitch", 1),
    ],
)  # fmt: skip
async def test_a_wrong_field_of_speak_is_named(http: aiohttp.ClientSession, field: str, value: Any) -> None:
    status, answer = await post(http, "/tts/speak", {"text": "hello", field: value})
    assert status == 400
    assert answer["error"]["param"] == field
    assert answer["success"] is False


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ({}, "file"),
        ({"file": b""}, "file"),
        ({"file": b"PK\x03\x04 not audio at all"}, "file"),
        ({"audio": b"\x00" * 5000}, "audio"),
        ({"file": "only text"}, "file"),
        ({"file": b"RIFF", "audio": b"RIFF"}, "file"),
        ({"sound": b"RIFF"}, "file"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": "1.1"}, "temperature"),
        ({"langauge": "en"}, "langauge"),
    ],
)
async def test_a_wrong_part_of_transcribe_is_named(
    http: aiohttp.ClientSession, parts: dict[str, Any], param: str
) -> None:
    if parts and not {"file", "audio", "sound"} & set(parts):
        _, spoken = await post(http, "/tts/speak", {"text": "hello", "format": "wav"})
        parts = parts | {"file": bytes.fromhex(spoken["audio_data"])}
    status, answer = await upload(http, **(parts or {"model": "transcribe"}))
    assert status == 400
    assert answer["success"] is False
    assert answer["error"]["param"] == param


async def test_transcribe_wants_a_form(http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, "/stt/transcribe", {"file": "x"})
    assert status == 400
    assert "multipart/form-data" in answer["error"]["message"]


async def test_speech_and_hearing_go_over_the_vendors_wire(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        providers = f"""
version: 1
providers:
  acme:
    plugin: openai
    base_url: {vendor.base_url}
    credentials: {{api_key: {API_KEY}}}
    models:
      tts-1: {{operation: speech, price: {{usd_per_mchar: 15}}}}
      whisper-1: {{operation: transcription, price: {{usd_per_audio_minute: 0.006}}}}
      gpt-5.4-mini: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
"""
        routes = "version: 1\nserver: {listen: '127.0.0.1:0'}\nkeys: {anonymous: loopback}\nroutes:" + NATIVE.replace(
            "model: chat", "model: gpt-5.4-mini"
        ).replace("model: speak", "model: tts-1").replace("model: transcribe", "model: whisper-1")
        async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
            _, said = await post(http, "/llm/generate", {"prompt": "say this", "temperature": 0})
            _, spoken = await post(http, "/tts/speak", {"text": "hello there", "format": "wav", "voice": "nova"})
            status, heard = await upload(http, file=bytes.fromhex(spoken["audio_data"]))

        assert vendor.refused == []
        assert said["usage"]["input_tokens"] > 0
        assert status == 200, heard
        assert heard["text"]
        assert heard["language"]
        assert json.loads(vendor.requests[0].body)["model"] == "gpt-5.4-mini"


# ---------------------------------------------------------------- voices


async def test_both_lists_have_every_logical_voice_and_what_providers_call_it(http: aiohttp.ClientSession) -> None:
    async with http.get("/tts/voices") as response:
        native = await response.json()
    async with http.get("/v1/audio/voices") as response:
        flavoured = await response.json()

    by_id = {voice["id"]: voice for voice in native["voices"] if voice["kind"] == "logical"}
    own = by_id["nova"]["providers"]["sandbox"]
    assert {voice["id"] for voice in native["voices"] if voice["kind"] == "vendor"} >= {own}
    assert native["count"] == len(native["voices"])
    assert flavoured["object"] == "list"
    assert [voice["id"] for voice in flavoured["data"]] == [voice["id"] for voice in native["voices"]]
    assert flavoured["voices"][0].keys() == {"id", "name"}


async def test_every_logical_voice_that_is_listed_speaks(http: aiohttp.ClientSession) -> None:
    async with http.get("/tts/voices?model=speak") as response:
        voices = [voice["id"] for voice in (await response.json())["voices"] if voice["kind"] == "logical"]
    for voice in voices:
        assert (await post(http, "/tts/speak", {"text": "a", "voice": voice}))[0] == 200


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [("model=spek", 404, "model"), ("provider=sandbx", 400, "provider"), ("langauge=en", 400, "langauge")],
)
async def test_a_wrong_query_for_voices_is_named(
    http: aiohttp.ClientSession, query: str, status: int, param: str
) -> None:
    for path in ("/tts/voices", "/v1/audio/voices"):
        async with http.get(f"{path}?{query}") as response:
            assert response.status == status
            assert (await response.json())["error"]["param"] == param


async def test_what_a_plugin_knows_of_its_voices_is_listed(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "talker.py").write_text(
        "from gateway.types import VoiceFact\n"
        "from tests.config.folder import PLUGIN as SOURCE\n"
        "space = {}\n"
        "exec(SOURCE.replace('PLUGIN = Fake()', ''), space)\n"
        "class Talker(space['Fake']):\n"
        "    credentials = ()\n"
        "    voice_facts = {'A': VoiceFact('en-GB', 'female', 'Calm.'), 'Z': VoiceFact('de', 'male')}\n"
        "PLUGIN = Talker()\n"
    )
    providers = "version: 1\nproviders:\n  acme: {plugin: talker, models: {voice: {operation: speech}}}\n"
    routes = "version: 1\nkeys: {anonymous: loopback}\nroutes:\n" + "\n".join(NATIVE.splitlines()[-2:])
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        async with http.get("/tts/voices?provider=acme") as response:
            voices = {voice["id"]: voice for voice in (await response.json())["voices"]}
        async with http.get("/tts/voices?language=en") as response:
            english = [voice["id"] for voice in (await response.json())["voices"]]

    assert (voices["alloy"]["language"], voices["alloy"]["gender"]) == ("en-GB", "female")
    assert voices["Z"]["providers"] == {"acme": "Z"}
    assert voices["Z"]["kind"] == "vendor"
    assert english == ["alloy", "A"]
