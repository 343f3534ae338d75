"""What the fake Gemini refuses although a careless gateway might send it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.vendors.gemini import API_KEY, GeminiServer

FLASH = "/v1beta/models/gemini-2.5-flash:generateContent"
THREE = "/v1beta/models/gemini-3.8-flash:generateContent"
JSON = "application/json"
USER = {"role": "user", "parts": [{"text": "hi"}]}
CALLED: dict[str, Any] = {"functionCall": {"name": "f", "args": {}}}
CALL = {"role": "model", "parts": [CALLED]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}
TOOL = {"functionDeclarations": [{"name": "f"}]}


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with GeminiServer() as vendor, aiohttp.ClientSession(vendor.origin) as session:
        yield session


async def post(
    http: aiohttp.ClientSession, path: str, body: Any, key: str | None = API_KEY
) -> tuple[int, dict[str, Any]]:
    headers = {} if key is None else {"x-goog-api-key": key}
    async with http.post(path, json=body, headers=headers) as response:
        return response.status, await response.json()


def parts(*items: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(items)}]}


def config(**values: Any) -> dict[str, Any]:
    return {"contents": [USER], "generationConfig": values}


def calling(**values: Any) -> dict[str, Any]:
    return {"contents": [USER], "tools": [TOOL], "toolConfig": {"functionCallingConfig": values}}


def model(*items: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(items)}


CASES: list[tuple[str, dict[str, Any]]] = [
    ("no contents", {}),
    ("empty contents", {"contents": []}),
    ("empty parts", {"contents": [{"role": "user", "parts": []}]}),
    ("unknown field", {"contents": [USER], "nope": 1}),
    ("unknown field below", {"contents": [{**USER, "name": "x"}]}),
    ("a role of another vendor", {"contents": [{**USER, "role": "assistant"}]}),
    ("system among the contents", {"contents": [{**USER, "role": "system"}, USER]}),
    ("empty text", parts({"text": ""})),
    ("two kinds of data", parts({"text": "a", "inlineData": {"mimeType": "image/png", "data": "AA=="}})),
    ("no data", parts({"thought": True})),
    ("broken base64", parts({"inlineData": {"mimeType": "image/png", "data": "***"}})),
    ("empty data", parts({"inlineData": {"mimeType": "image/png", "data": ""}})),
    ("an image type it does not read", parts({"inlineData": {"mimeType": "image/gif", "data": "AAAA"}})),
    ("a file by a path", parts({"fileData": {"fileUri": "/etc/passwd"}})),
    ("arguments as text", {"contents": [USER, model({"functionCall": {"name": "f", "args": "{}"}}), RESULT]}),
    ("a result as text", {"contents": [USER, CALL, {"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]}),
    ("a result without a name", {"contents": [USER, CALL, {"parts": [{"functionResponse": {"response": {}}}]}]}),
    ("a call without its result", {"contents": [USER, CALL]}),
    ("a result without its call", {"contents": [USER, RESULT]}),
    ("a call of the user's", {"contents": [{**CALL, "role": "user"}, RESULT]}),
    ("one result for two calls", {"contents": [USER, model(CALLED, CALLED), RESULT]}),
    ("an image as system", {"contents": [USER], "systemInstruction": {"parts": [{"fileData": {"fileUri": "https://x"}}]}}),
    ("temperature", config(temperature=2.1)),
    ("topP", config(topP=1.1)),
    ("candidateCount", config(candidateCount=9)),
    ("maxOutputTokens", config(maxOutputTokens=0)),
    ("six stops", config(stopSequences=list("abcdef"))),
    ("an empty stop", config(stopSequences=[""])),
    ("seed beyond int32", config(seed=2**31)),
    ("logprobs alone", config(logprobs=2)),
    ("21 logprobs", config(responseLogprobs=True, logprobs=21)),
    ("a schema without its type", config(responseJsonSchema={"type": "object"})),
    ("two schemas", config(responseMimeType=JSON, responseSchema={"type": "STRING"}, responseJsonSchema={})),
    ("JSON Schema in Google's place", config(responseMimeType=JSON, responseSchema={"type": "object"})),
    ("a level of Gemini 3", config(thinkingConfig={"thinkingLevel": "LOW"})),
    ("an unknown level", config(thinkingConfig={"thinkingLevel": "SOME"})),
    ("a budget too large", config(thinkingConfig={"thinkingBudget": 24_577})),
    ("a name with a space", {"contents": [USER], "tools": [{"functionDeclarations": [{"name": "a b"}]}]}),
    ("a name of 65", {"contents": [USER], "tools": [{"functionDeclarations": [{"name": "x" * 65}]}]}),
    ("one name twice", {"contents": [USER], "tools": [TOOL, TOOL]}),
    ("an unknown allowed name", calling(mode="ANY", allowedFunctionNames=["g"])),
    ("allowed names with AUTO", calling(mode="AUTO", allowedFunctionNames=["f"])),
    (
        "a JSON Schema as parameters",
        {"contents": [USER], "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object"}}]}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize("body", [body for _, body in CASES], ids=[name for name, _ in CASES])
async def test_it_is_refused(http: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    status, answer = await post(http, FLASH, body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT"), answer


@pytest.mark.parametrize(
    "body",
    [
        {"contents": [{"parts": [{"text": "hi"}]}]},
        {"contents": [USER], "generation_config": {"max_output_tokens": "5", "top_k": 3}},
        {"contents": [USER], "tools": [TOOL], "tool_config": {"function_calling_config": {"mode": 2}}},
        parts({"text": "a"}, {"inline_data": {"mime_type": "image/png", "data": "_-8="}}),
        {"contents": [USER, CALL, RESULT], "serviceTier": "standard", "store": False},
    ],
)
async def test_what_proto_json_allows_is_taken(http: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    status, answer = await post(http, FLASH, body)
    assert status == 200, answer


async def test_gemini_3_misses_a_signature_in_the_current_turn_only(http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, THREE, {"contents": [USER, CALL, RESULT]})
    assert status == 400
    assert "missing a thought_signature" in answer["error"]["message"]
    assert (await post(http, THREE, {"contents": [USER, CALL, RESULT, model({"text": "x"}), USER]}))[0] == 200
    signed = model(CALLED | {"thoughtSignature": "skip_thought_signature_validator"})
    assert (await post(http, THREE, {"contents": [USER, signed, RESULT]}))[0] == 200


@pytest.mark.parametrize(
    ("key", "status", "word"), [(None, 403, "PERMISSION_DENIED"), ("wrong", 400, "INVALID_ARGUMENT")]
)
async def test_a_key_is_needed(http: aiohttp.ClientSession, key: str | None, status: int, word: str) -> None:
    found, answer = await post(http, FLASH, {"contents": [USER]}, key)
    assert (found, answer["error"]["status"]) == (status, word)
    assert (await post(http, f"{FLASH}?key={API_KEY}", {"contents": [USER]}, None))[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1beta/models/gpt-4o:generateContent", {"contents": [USER]}),
        ("/v1beta/models/gemini-embedding-001:generateContent", {"contents": [USER]}),
        ("/v1beta/models/gemini-2.5-flash:batchEmbedContents", {"requests": []}),
        ("/v3/models/gemini-2.5-flash:generateContent", {"contents": [USER]}),
        ("/v1beta/models/gemini-2.5-flash:think", {"contents": [USER]}),
    ],
)
async def test_what_there_is_not_is_404(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> None:
    status, answer = await post(http, path, body)
    assert (status, answer["error"]["status"]) == (404, "NOT_FOUND")


EMBED = "/v1beta/models/gemini-embedding-001:batchEmbedContents"
ITEM = {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}}


@pytest.mark.parametrize(
    "body",
    [
        {"requests": []},
        {"requests": [ITEM] * 101},
        {"requests": [{"content": ITEM["content"]}]},
        {"requests": [ITEM | {"model": "models/other"}]},
        {"requests": [ITEM | {"content": {"parts": [{"text": ""}]}}]},
        {"requests": [ITEM | {"outputDimensionality": 3073}]},
        {"requests": [ITEM | {"taskType": "NONSENSE"}]},
    ],
)
async def test_a_bad_batch_is_refused(http: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    assert (await post(http, EMBED, body))[0] == 400
    assert (await post(http, EMBED, {"requests": [ITEM] * 100}))[0] == 200
