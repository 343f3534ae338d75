"""What the fake OpenAI refuses although a careless gateway might send it, with status, param and code."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.vendors.openai import API_KEY, OpenAIServer

CHAT = "/v1/chat/completions"
OPEN_SCHEMA = {"type": "object", "properties": {}}
USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f"}}
IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,***"}}


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def structured(**schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": schema}


CHAT_CASES: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"nope": 1}, None, None),
    ({"messages": []}, "messages", "empty_array"),
    ({"messages": None}, "messages", "invalid_type"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{**USER, "zip": 1}]}, "messages[0].zip", "unknown_parameter"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "empty_array"),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]", "invalid_base64"),
    ({"messages": [{"role": "assistant", "content": None}]}, "messages.[0].content", None),
    ({"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "messages.[0].role", None),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, USER]}, "messages.[2].role", None),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]}, "messages.[2].role", None),
    ({"temperature": "1"}, "temperature", "invalid_type"),
    ({"temperature": 2.01}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.01}, "temperature", "decimal_below_min_value"),
    ({"top_p": 1.01}, "top_p", "decimal_above_max_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 129}, "n", "integer_above_max_value"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"max_tokens": 5.0}, "max_tokens", "invalid_type"),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", None),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
    ({"stop": 1}, "stop", "invalid_type"),
    ({"metadata": {str(i): "x" for i in range(17)}}, "metadata", "array_above_max_length"),
    ({"metadata": {"k": "x" * 513}}, "metadata.k", "string_above_max_length"),
    ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ({"top_logprobs": 2}, "top_logprobs", None),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"tools": None}, "tools", "invalid_type"),
    ({"tools": []}, "tools", "empty_array"),
    ({"tools": [named("a b")]}, "tools[0].function.name", "invalid_value"),
    ({"tools": [named("x" * 65)]}, "tools[0].function.name", "invalid_value"),
    ({"tools": [{"type": "function", "name": "f", "parameters": {}}]}, "tools[0].name", "unknown_parameter"),
    ({"tool_choice": "auto"}, "tool_choice", None),
    ({"parallel_tool_calls": True}, "parallel_tool_calls", None),
    ({"tools": [TOOL], "tool_choice": named("g")}, "tool_choice", None),
    ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", "invalid_value"),
    ({"response_format": {"type": "json_object"}}, "messages", None),
    ({"response_format": structured(name="a b", schema={})}, "response_format.json_schema.name", "invalid_value"),
    ({"response_format": structured(name="a", schema=OPEN_SCHEMA, strict=True)}, None, "invalid_json_schema"),
    ({"reasoning_effort": "high"}, None, None),
    ({"model": "gpt-6-luna", "temperature": 1}, "temperature", "unsupported_parameter"),
    ({"model": "gpt-6-luna", "max_tokens": 5}, "max_tokens", "unsupported_parameter"),
    ({"model": "gpt-6-astra", "reasoning_effort": "none"}, "reasoning_effort", "unsupported_value"),
    ({"model": "gpt-5.6-luna", "tools": [TOOL]}, "reasoning_effort", None),
]


@pytest.mark.parametrize(("change", "param", "code"), CHAT_CASES)
async def test_chat_refuses(
    vendor: OpenAIServer, http: aiohttp.ClientSession, change: dict[str, Any], param: str | None, code: str | None
) -> None:
    body = {"model": "gpt-4o-mini", "messages": [USER]} | change
    async with http.post(CHAT, json=body) as response:
        error = (await response.json())["error"]
    assert response.status == 400, error
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code), error
    assert [record.refusal for record in vendor.refused] == [error["message"]]


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 2, "top_p": 1, "n": 128, "stop": ["a", "b", "c", "d"]},
        {"temperature": None, "stop": None, "n": None, "stream": False, "max_tokens": 1},
        {"metadata": {"k" * 64: "x" * 512}, "tools": [named("x" * 64)], "tool_choice": "none"},
        {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": ""},
            ]
        },
        {"model": "gpt-6-luna", "temperature": 0.5, "reasoning_effort": "none"},
        {"model": "gpt-5.6-luna", "tools": [TOOL], "reasoning_effort": "none"},
        {"messages": [{"role": "user", "content": "as json"}], "response_format": {"type": "json_object"}},
    ],
)
async def test_chat_accepts_what_lies_on_the_limit(http: aiohttp.ClientSession, change: dict[str, Any]) -> None:
    async with http.post(CHAT, json={"model": "gpt-4o-mini", "messages": [USER]} | change) as response:
        assert response.status == 200, await response.text()


async def test_unknown_arguments_get_the_vendors_words(http: aiohttp.ClientSession) -> None:
    async with http.post(CHAT, json={"model": "gpt-4o-mini", "messages": [USER], "api_base": "http://x"}) as response:
        error = (await response.json())["error"]
    assert error["message"] == "Unrecognized request argument supplied: api_base"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": ""}, "invalid_api_key"),
        ({"authorization": "Bearer wrong"}, "invalid_api_key"),
        ({"authorization": f"Basic {API_KEY}"}, "invalid_api_key"),
    ],
)
async def test_wrong_keys_are_401(vendor: OpenAIServer, headers: dict[str, str], code: str) -> None:
    async with aiohttp.ClientSession(vendor.origin) as http, http.get("/v1/models", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (401, code)


async def test_no_key_and_two_keys_are_401(vendor: OpenAIServer) -> None:
    twice = [("authorization", f"Bearer {API_KEY}"), ("authorization", f"Bearer {API_KEY}")]
    async with aiohttp.ClientSession(vendor.origin) as http:
        for headers in ([], twice):
            async with http.get("/v1/models", headers=headers) as response:
                assert response.status == 401


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        (b"[]", {}),
        (b'{"model": "gpt-4o", "model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}', {}),
        (b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "temperature": NaN}', {}),
        (b"\xff\xfe{\x00}\x00", {}),
        (b"{}", {"content-type": "text/plain"}),
        (b"{}", {"content-encoding": "gzip"}),
    ],
)
async def test_unreadable_bodies_are_400(http: aiohttp.ClientSession, body: bytes, headers: dict[str, str]) -> None:
    async with http.post(CHAT, data=body, headers={"content-type": "application/json"} | headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", CHAT, {"model": "gpt-9", "messages": [USER]}, 404),
        ("POST", CHAT, {"model": "tts-1", "messages": [USER]}, 404),
        ("POST", "/v1/embeddings", {"model": "gpt-4o", "input": "x"}, 403),
        ("POST", "/v1/nope", {}, 404),
        ("GET", CHAT, None, 404),
        ("POST", "/v1/../v1/embeddings", {}, 404),
        ("GET", "/v1/models/nope", None, 404),
    ],
)
async def test_wrong_models_and_paths(
    vendor: OpenAIServer, http: aiohttp.ClientSession, method: str, path: str, body: Any, status: int
) -> None:
    url = URL(vendor.origin + path, encoded=True)  # or yarl would take the dots out
    async with http.request(method, url, json=body) as response:
        assert response.status == status
