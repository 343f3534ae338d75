"""The official google-genai client, unchanged but for its base URL: served by Gemini, by OpenAI and by the sandbox."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
from google import genai
from google.genai import errors, types

from tests.harness import Inside, inside
from tests.vendors import gemini as gemini_vendor
from tests.vendors import openai as openai_vendor
from tests.vendors.faults import Fault
from tests.vendors.gemini import GeminiServer
from tests.vendors.openai import OpenAIServer

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

PROVIDERS = """
version: 1
providers:
  gemini:
    plugin: gemini
    base_url: {gemini}
    credentials: {{api_key: {gemini_key}}}
    models:
      gemini-3.8-flash: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
      gemini-2.5-flash: {{operation: chat}}
      gemini-embedding-001: {{operation: embeddings}}
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models:
      gpt-5.4-mini: {{operation: chat}}
      text-embedding-3-small: {{operation: embeddings}}
  sandbox:
    plugin: sandbox
    models:
      chat: {{operation: chat}}
      embeddings: {{operation: embeddings}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  own: {operation: chat, targets: [gemini/gemini-3.8-flash]}
  gpt: {operation: chat, targets: [openai/gpt-5.4-mini]}
  dry: {operation: chat, targets: [sandbox/chat]}
  both: {operation: chat, targets: [gemini/gemini-2.5-flash, openai/gpt-5.4-mini]}
  own-embed: {operation: embeddings, targets: [gemini/gemini-embedding-001]}
  gpt-embed: {operation: embeddings, targets: [openai/text-embedding-3-small]}
  dry-embed: {operation: embeddings, targets: [sandbox/embeddings]}
routes:
  - {path: /v1/models, dialect: openai.models}
  - {path: "/v1/models/{model}", dialect: openai.models}
  - {path: "/{version}/models/{model}:generateContent", dialect: gemini.generate}
  - {path: "/{version}/models/{model}:streamGenerateContent", dialect: gemini.stream}
  - {path: "/{version}/models/{model}:countTokens", dialect: gemini.count_tokens}
  - {path: "/{version}/models/{model}:embedContent", dialect: gemini.embed}
  - {path: "/{version}/models/{model}:batchEmbedContents", dialect: gemini.embed}
  - {path: /v1beta/models, dialect: gemini.models}
  - {path: "/v1beta/models/{model}", dialect: gemini.models}
  - {path: "/translated/{model}:generateContent", dialect: gemini.generate, verbatim: false}
  - {path: /v1/chat/completions, dialect: openai.chat}
"""
SERVED = ["own", "gpt", "dry"]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+P+/HgAFhAJ/wlseKgAAAABJRU5ErkJggg=="
)
WEATHER = {
    "name": "get_weather",
    "description": "Say how the weather is.",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}
CLOCK = {"name": "get_time", "parameters_json_schema": {"type": "object", "properties": {}}}
TOOLS: Any = {"tools": [{"function_declarations": [WEATHER, CLOCK]}]}


@dataclass
class House:
    """The gateway, its vendors, and a client that believes it talks to Google."""

    gateway: Inside
    gemini: GeminiServer
    openai: OpenAIServer
    client: Any  # AsyncModels of google-genai


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with GeminiServer() as gemini, OpenAIServer() as openai:
        providers = PROVIDERS.format(
            gemini=gemini.base_url,
            gemini_key=gemini_vendor.API_KEY,
            openai=openai.base_url,
            openai_key=openai_vendor.API_KEY,
        )
        async with inside(tmp_path, providers, ROUTES) as gateway:
            options = types.HttpOptions(base_url=gateway.url, api_version="v1beta")
            async with genai.Client(api_key="any", http_options=options).aio as client:
                yield House(gateway, gemini, openai, client.models)
            assert [record.refusal for vendor in (gemini, openai) for record in vendor.refused] == []


async def streamed(house: House, **options: Any) -> list[types.GenerateContentResponse]:
    return [chunk async for chunk in await house.client.generate_content_stream(**options)]


@pytest.mark.parametrize("model", SERVED)
async def test_content_is_generated_and_counted(house: House, model: str) -> None:
    config = {"system_instruction": "Be brief.", "max_output_tokens": 300}
    answer = await house.client.generate_content(model=model, contents="zebra crossing", config=config)

    assert "zebra crossing" in answer.text
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    shown = usage.candidates_token_count + (usage.thoughts_token_count or 0)
    assert usage.total_token_count == usage.prompt_token_count + shown > shown > 0
    assert answer.model_version in ("gemini-3.8-flash", "gpt-5.4-mini", "chat")
    assert answer.response_id


@pytest.mark.parametrize("model", SERVED)
async def test_a_stream_is_the_same_text_and_ends_with_a_reason_and_usage(house: House, model: str) -> None:
    whole = await house.client.generate_content(model=model, contents="one two three four five six")
    chunks = await streamed(house, model=model, contents="one two three four five six")

    assert len(chunks) > 2
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
    assert reasons == [None] * (len(chunks) - 1) + [types.FinishReason.STOP]
    assert chunks[-1].usage_metadata == whole.usage_metadata


@pytest.mark.parametrize("model", SERVED)
async def test_a_tool_is_called_and_its_answer_is_used(house: House, model: str) -> None:
    said = [types.Content(role="user", parts=[types.Part(text="get_weather please")])]
    asked = await house.client.generate_content(model=model, contents=said, config=TOOLS)
    (call,) = asked.function_calls
    assert call.name == "get_weather"
    assert list(call.args) == ["city"]

    result = types.Part.from_function_response(name=call.name, response={"result": "sunny, 21 degrees"})
    history = [*said, asked.candidates[0].content, types.Content(role="user", parts=[result])]
    answer = await house.client.generate_content(model=model, contents=history, config=TOOLS)
    assert "sunny, 21 degrees" in answer.text


@pytest.mark.parametrize("model", SERVED)
async def test_parallel_calls_come_whole_in_a_stream(house: House, model: str) -> None:
    said = [types.Content(role="user", parts=[types.Part(text="get_weather and get_time")])]
    chunks = await streamed(house, model=model, contents=said, config=TOOLS)
    parts = [part for chunk in chunks for part in chunk.parts or [] if part.function_call]
    assert [part.function_call.name for part in parts if part.function_call] == ["get_weather", "get_time"]

    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"output": f"{call.name} says"}
            )
        )
        for part in parts
        if (call := part.function_call)
    ]
    history = [*said, types.Content(role="model", parts=parts), types.Content(role="user", parts=results)]
    answer = await house.client.generate_content(model=model, contents=history, config=TOOLS)
    assert "get_weather says" in answer.text
    assert "get_time says" in answer.text


@pytest.mark.parametrize("model", SERVED)
@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"mode": "NONE"}, None),
        ({"mode": "ANY"}, ["get_weather"]),
        ({"mode": "ANY", "allowed_function_names": ["get_time"]}, ["get_time"]),
    ],
)
async def test_tool_config_decides(house: House, model: str, config: dict[str, Any], names: list[str] | None) -> None:
    options = TOOLS | {"tool_config": {"function_calling_config": config}}
    answer = await house.client.generate_content(
        model=model, contents="get_weather" if names is None else "hi", config=options
    )
    found = answer.function_calls
    assert (None if found is None else [call.name for call in found]) == names


@pytest.mark.parametrize("model", SERVED)
async def test_structured_output_follows_the_schema(house: House, model: str) -> None:
    own = {"type": "OBJECT", "properties": {"name": {"type": "STRING", "nullable": True}, "age": {"type": "INTEGER"}}}
    standard = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    config = {"response_mime_type": "application/json"}
    answer = await house.client.generate_content(model=model, contents="x", config=config | {"response_schema": own})
    assert isinstance(json.loads(answer.text)["age"], int)
    answer = await house.client.generate_content(
        model=model, contents="x", config=config | {"response_json_schema": standard}
    )
    jsonschema.validate(json.loads(answer.text), standard)
    assert answer.parsed == json.loads(answer.text)


@pytest.mark.parametrize("model", SERVED)
async def test_an_image_and_a_long_context_are_taken(house: House, model: str) -> None:
    parts = [
        types.Part.from_bytes(data=PNG, mime_type="image/png"),
        types.Part(text="what is this? " + "word " * 20_000),
    ]
    answer = await house.client.generate_content(model=model, contents=types.Content(role="user", parts=parts))
    assert answer.usage_metadata.prompt_token_count > 20_000


@pytest.mark.parametrize("model", ["own-embed", "gpt-embed", "dry-embed"])
async def test_texts_become_vectors(house: House, model: str) -> None:
    answer = await house.client.embed_content(model=model, contents=["a", "b"], config={"output_dimensionality": 8})
    assert [len(embedding.values) for embedding in answer.embeddings] == [8, 8]
    async with aiohttp.ClientSession() as http:
        body = {"content": {"parts": [{"text": "a"}]}, "output_dimensionality": 8}
        async with http.post(f"{house.gateway.url}/v1beta/models/{model}:embedContent", json=body) as response:
            single = await response.json()
    assert single["embedding"]["values"] == pytest.approx(answer.embeddings[0].values, rel=1e-6)


@pytest.mark.parametrize("model", SERVED)
async def test_tokens_are_counted(house: House, model: str) -> None:
    assert (await house.client.count_tokens(model=model, contents="hello there")).total_tokens > 0


async def test_models_are_listed_in_googles_shape(house: House) -> None:
    models = {model.name: model async for model in await house.client.list()}
    assert "generateContent" in models["models/own"].supported_actions
    assert "embedContent" in models["models/sandbox/embeddings"].supported_actions
    assert (await house.client.get(model="openai/gpt-5.4-mini")).name == "models/openai/gpt-5.4-mini"
    with pytest.raises(errors.ClientError) as caught:
        await house.client.get(model="nope")
    assert caught.value.status == "NOT_FOUND"


async def test_a_model_may_be_named_with_its_provider(house: House) -> None:
    answer = await house.client.generate_content(model="openai/gpt-5.4-mini", contents="hi")
    assert answer.model_version == "gpt-5.4-mini"


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("model", ["own", "gpt"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_vendors_failure_is_googles_error(house: House, model: str, stream: bool) -> None:
    vendor = house.gemini if model == "own" else house.openai
    vendor.faults.add(Fault("status", status=429, retry_after_s=7))
    with pytest.raises(errors.ClientError) as caught:
        await (
            streamed(house, model=model, contents="x")
            if stream
            else house.client.generate_content(model=model, contents="x")
        )
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    details = caught.value.details["error"]["details"]
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"} in details


@pytest.mark.parametrize("model", ["own", "gpt"])
async def test_a_stream_that_breaks_raises(house: House, model: str) -> None:
    vendor = house.gemini if model == "own" else house.openai
    vendor.faults.add(Fault("cut_without_terminator", after_events=4))
    with pytest.raises(errors.ServerError) as caught:
        await streamed(house, model=model, contents="a b c d e f g")
    assert caught.value.status == "UNAVAILABLE"


async def test_an_array_that_breaks_does_not_end(house: House) -> None:
    house.gemini.faults.add(Fault("cut_without_terminator", after_events=3))
    url = f"{house.gateway.url}/v1beta/models/own:streamGenerateContent"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"contents": [{"parts": [{"text": "a b"}]}]}) as response,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_blocked_prompt_and_a_blocked_answer_are_told(house: House) -> None:
    blocked = await house.client.generate_content(model="own", contents="[blocked]")
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    for model in ("own", "gpt"):
        answer = await house.client.generate_content(model=model, contents="a[content_filter]b")
        assert answer.candidates[0].finish_reason == types.FinishReason.SAFETY
        assert answer.text.endswith("echoes: a")


async def test_a_failed_vendor_is_replaced(house: House) -> None:
    house.gemini.faults.add(Fault("status", status=503))
    answer = await house.client.generate_content(model="both", contents="hi")
    assert answer.text == "openai/gpt-5.4-mini echoes: hi"


async def test_what_a_field_should_be_is_said(house: House) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{house.gateway.url}/v1beta/models/own:generateContent"
        async with http.post(url, json={"contents": [{"role": "robot", "parts": []}]}) as response:
            error = (await response.json())["error"]
        async with http.post(url.replace("v1beta", "v7"), json={"contents": []}) as response:
            assert response.status == 404
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    (violation,) = next(detail["fieldViolations"] for detail in error["details"] if "fieldViolations" in detail)
    assert violation["field"] == "contents[0].role"


@pytest.mark.parametrize("name", ["../../admin", "a?x=1", "a%3Fx", "a b", "x" * 300, "..", "gemini/..", "a#b"])
async def test_a_model_never_leads_to_another_path(house: House, name: str) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{house.gateway.url}/v1/chat/completions"
        async with http.post(url, json={"model": name, "messages": [{"role": "user", "content": "x"}]}) as response:
            assert response.status in (400, 404)
    assert list(house.gemini.requests) == []


# ---------------------------------------------------------------- the same format on both sides


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent?alt=sse"])
async def test_the_vendors_bytes_pass_untouched_both_ways(house: House, verb: str) -> None:
    body = b'{ "contents":[ {"parts":[{"text":"caf\\u00e9 \xc3\xa9"}]} ],\n "store" :false }'
    key = {"x-goog-api-key": gemini_vendor.API_KEY, "content-type": "application/json"}
    async with aiohttp.ClientSession() as http:
        answers = []
        for base in (house.gateway.url, house.gemini.base_url):
            model = "own" if base == house.gateway.url else "gemini-3.8-flash"
            async with http.post(f"{base}/v1/models/{model}:{verb}", data=body, headers=key) as response:
                answers.append((response.headers["content-type"], await response.read()))
    through, direct = house.gemini.requests
    assert (through.target, through.body) == (direct.target, direct.body)
    assert through.header("x-goog-api-key") == gemini_vendor.API_KEY
    assert answers[0][0] == answers[1][0]
    assert answers[0][1] == answers[1][1].replace(b"resp-00000002", b"resp-00000001")


async def test_a_batch_names_the_vendors_model_and_is_else_untouched(house: House) -> None:
    await house.client.embed_content(model="own-embed", contents=["a", "b"], config={"task_type": "RETRIEVAL_QUERY"})
    (record,) = house.gemini.requests
    assert record.body.count(b'"model": "models/gemini-embedding-001"') == 2
    assert record.body.count(b'"taskType": "RETRIEVAL_QUERY"') == 2


# ---------------------------------------------------------------- other clients, and thoughts that must come back


async def test_an_openai_client_runs_a_tool_loop_on_gemini_3(house: House) -> None:
    """Its format has no place for the signature that Gemini 3 demands back."""
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "get_weather"}]
    async with aiohttp.ClientSession(house.gateway.url) as http:
        for expected in ("tool_calls", "stop"):
            body = {"model": "own", "messages": messages, "tools": [tool]}
            async with http.post("/v1/chat/completions", json=body) as response:
                choice = (await response.json())["choices"][0]
            assert choice["finish_reason"] == expected
            messages.append(choice["message"])
            for call in choice["message"].get("tool_calls") or ():
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": "sunny"})
    assert messages[-1]["content"] == "gemini/gemini-3.8-flash echoes: sunny"


async def test_a_signature_comes_back_where_it_was_also_when_translated(house: House) -> None:
    async with aiohttp.ClientSession(house.gateway.url) as http:
        contents: list[Any] = [{"role": "user", "parts": [{"text": "get_time and get_weather"}]}]
        body = {"contents": contents, "tools": [{"functionDeclarations": [CLOCK, WEATHER]}]}
        for _ in range(2):
            async with http.post("/v1beta/models/own:generateContent", json=body) as response:
                own = (await response.json())["candidates"][0]["content"]
            async with http.post("/translated/own:generateContent", json=body) as response:
                translated = (await response.json())["candidates"][0]["content"]
            assert [without_id(part) for part in translated["parts"]] == own["parts"]
            contents.append(translated)
            results: list[Any] = [
                {"functionResponse": {"name": part["functionCall"]["name"], "response": {"a": 1}}}
                for part in own["parts"]
                if "functionCall" in part
            ]
            contents.append({"role": "user", "parts": results})
            if not results:
                break
    assert [record.refusal for record in house.gemini.requests] == [None] * len(house.gemini.requests)


def without_id(part: dict[str, Any]) -> dict[str, Any]:
    call = part.get("functionCall")
    return part if call is None else part | {"functionCall": {key: call[key] for key in call if key != "id"}}
