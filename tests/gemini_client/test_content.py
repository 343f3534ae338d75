"""The official google-genai client, unchanged but for its base URL: served by Gemini, by OpenAI and by the sandbox."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import jsonschema
import pytest
from google.genai import errors, types

from tests.gemini_client.house import PNG, SERVED, TOOLS, House, streamed

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


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
