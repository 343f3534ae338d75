"""The fake Gemini through the real google-genai client: deterministic, countable, signed, and failing as told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
import pytest_asyncio
from google import genai
from google.ai import generativelanguage_v1beta as v1beta
from google.genai import errors, types
from google.protobuf.json_format import ParseDict

from tests.vendors.faults import Fault
from tests.vendors.gemini import API_KEY, GeminiServer

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

FLASH = "gemini-2.5-flash"
SIGNING = "gemini-3.8-flash"
WEATHER = {
    "name": "get_weather",
    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "get_time"}


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[GeminiServer]:
    async with GeminiServer() as server:
        yield server


@pytest_asyncio.fixture
async def client(vendor: GeminiServer) -> AsyncIterator[Any]:
    sdk = genai.Client(api_key=API_KEY, http_options=types.HttpOptions(base_url=vendor.base_url))
    async with sdk.aio as aio:
        yield aio.models


async def chunks(client: Any, **options: Any) -> list[types.GenerateContentResponse]:
    return [chunk async for chunk in await client.generate_content_stream(**options)]


async def test_it_echoes_the_last_user_text_and_counts_it(client: Any) -> None:
    answer = await client.generate_content(model=FLASH, contents="hello there", config={"system_instruction": "Brief."})
    assert answer.text == "gemini/gemini-2.5-flash echoes: hello there"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    # (4 + 6 bytes / 4) + (4 + 11 bytes / 4), and 43 bytes / 4, each rounded up
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (13, 11, 24)


async def test_a_stream_carries_the_same_text_and_ends_by_its_last_chunk(client: Any) -> None:
    found = await chunks(client, model=FLASH, contents="hello there")
    assert "".join(chunk.text or "" for chunk in found) == "gemini/gemini-2.5-flash echoes: hello there"
    reasons = [chunk.candidates[0].finish_reason for chunk in found if chunk.candidates]
    assert reasons == [None] * (len(found) - 1) + [types.FinishReason.STOP]
    last = found[-1].usage_metadata
    assert last is not None
    assert last.total_token_count == 7 + 11


async def test_thoughts_count_beside_the_answer_and_show_only_when_asked(client: Any) -> None:
    thinking = {"thinking_level": "HIGH"}
    answer = await client.generate_content(model=SIGNING, contents="x", config={"thinking_config": thinking})
    assert answer.usage_metadata.thoughts_token_count == 64
    assert [part.thought for part in answer.parts] == [None]
    shown = await client.generate_content(
        model=SIGNING, contents="x", config={"thinking_config": thinking | {"include_thoughts": True}}
    )
    assert [part.thought for part in shown.parts] == [True, None]


async def test_parallel_calls_are_signed_once_and_their_loop_ends(client: Any) -> None:
    config = {"tools": [{"functionDeclarations": [WEATHER, CLOCK]}]}
    said = [types.Content(role="user", parts=[types.Part(text="get_weather and get_time")])]
    answer = await client.generate_content(model=SIGNING, contents=said, config=config)
    calls = answer.candidates[0].content.parts
    assert [part.function_call.name for part in calls] == ["get_weather", "get_time"]
    assert [part.thought_signature is None for part in calls] == [False, True]
    results = [
        types.Part.from_function_response(name=part.function_call.name, response={"result": "ok"}) for part in calls
    ]
    history = [*said, answer.candidates[0].content, types.Content(role="user", parts=results)]
    last = await client.generate_content(model=SIGNING, contents=history, config=config)
    assert last.text == f"gemini/{SIGNING} echoes: ok ok"
    for spoiled in (None, b"forged"):
        calls[0].thought_signature = spoiled
        with pytest.raises(errors.ClientError, match=r"[tT]hought[_ ]signature"):
            await client.generate_content(model=SIGNING, contents=history, config=config)
    calls[0].thought_signature = None
    assert (await client.generate_content(model=FLASH, contents=history, config=config)).text


async def test_structured_answers_are_instances_of_either_schema(client: Any) -> None:
    standard = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "k": {"enum": ["a"]}},
        "required": ["n", "k"],
    }
    config: dict[str, Any] = {"response_mime_type": "application/json", "response_json_schema": standard}
    answer = await client.generate_content(model=FLASH, contents="x", config=config)
    jsonschema.validate(json.loads(answer.text), standard)
    own = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}, "required": ["n"]}
    config = {"response_mime_type": "application/json", "response_schema": own}
    answer = await client.generate_content(model=FLASH, contents="x", config=config)
    assert isinstance(json.loads(answer.text)["n"], int)


@pytest.mark.parametrize(
    ("contents", "config", "text", "reason"),
    [
        ("hello", {"max_output_tokens": 3}, "gemini/gemin", "MAX_TOKENS"),
        ("hello", {"stop_sequences": ["echoes"]}, "gemini/gemini-2.5-flash ", "STOP"),
        ("a[content_filter]b", {}, "gemini/gemini-2.5-flash echoes: a", "SAFETY"),
        ("[malformed]", {}, None, "MALFORMED_FUNCTION_CALL"),
    ],
)
async def test_finish_reasons(
    client: Any, contents: str, config: dict[str, Any], text: str | None, reason: str
) -> None:
    answer = await client.generate_content(model=FLASH, contents=contents, config=config)
    assert (answer.text, answer.candidates[0].finish_reason.name) == (text, reason)


async def test_a_blocked_prompt_is_an_answer_without_candidates(client: Any) -> None:
    answer = await client.generate_content(model=FLASH, contents="[blocked]")
    assert answer.candidates is None
    assert answer.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


async def test_embeddings_and_counts_and_models(client: Any) -> None:
    config = {"output_dimensionality": 4, "task_type": "RETRIEVAL_QUERY"}
    answer = await client.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config)
    assert [len(embedding.values) for embedding in answer.embeddings] == [4, 4]
    assert (await client.count_tokens(model=FLASH, contents="hello")).total_tokens == 4 + 2
    assert FLASH in [model.name.removeprefix("models/") async for model in await client.list()]
    assert (await client.get(model=FLASH)).output_token_limit == 65_536


async def test_an_answer_is_valid_by_the_published_protobuf(vendor: GeminiServer, client: Any) -> None:
    config = {"response_logprobs": True, "logprobs": 2, "candidate_count": 2}
    answer = await client.generate_content(model=FLASH, contents="a b", config=config)
    own = {"sdk_http_response", "automatic_function_calling_history"}
    body = json.loads(answer.model_dump_json(exclude_none=True, by_alias=True, exclude=own))
    kind = v1beta.GenerateContentResponse
    ParseDict(body, kind.pb(kind()).__class__())


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_says_in_its_body_when_to_come_back(vendor: GeminiServer, client: Any, stream: bool) -> None:
    vendor.faults.add(Fault("status", status=429, retry_after_s=7))
    with pytest.raises(errors.ClientError) as caught:
        await (chunks if stream else client.generate_content)(*([client] if stream else []), model=FLASH, contents="x")
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    assert caught.value.details["error"]["details"][0]["retryDelay"] == "7s"


async def test_an_error_may_come_within_a_stream(vendor: GeminiServer, client: Any) -> None:
    vendor.faults.add(Fault("error_event_in_200", status=503))
    with pytest.raises(errors.ServerError):
        await chunks(client, model=FLASH, contents="a b c")
