"""Gemini on both sides passes untouched; thoughts that must come back do, whoever carries them."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from google.genai import types

from tests.gemini_client.house import CLOCK, TOOLS, WEATHER, House
from tests.vendors import gemini as gemini_vendor

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


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


async def test_a_loop_that_another_vendor_began_goes_on_at_gemini_3(house: House) -> None:
    """Its call has no signature: the stand-in is put there, and what else was said goes along."""
    said = [types.Content(role="user", parts=[types.Part(text="get_time")])]
    asked = await house.client.generate_content(model="gpt", contents=said, config=TOOLS)
    result = types.Part.from_function_response(name="get_time", response={"result": "noon"})
    history = [*said, asked.candidates[0].content, types.Content(role="user", parts=[result])]
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    answer = await house.client.generate_content(
        model="own", contents=history, config=TOOLS | {"safety_settings": safety}
    )
    assert answer.text == "gemini/gemini-3.8-flash echoes: noon"
    assert house.gemini.requests[0].json()["safetySettings"] == safety


def without_id(part: dict[str, Any]) -> dict[str, Any]:
    call = part.get("functionCall")
    return part if call is None else part | {"functionCall": {key: call[key] for key in call if key != "id"}}
