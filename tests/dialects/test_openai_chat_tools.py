"""Tools of an OpenAI chat: what has no normal form is refused by name, never lost; what has one is mapped."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import BadRequestError

from gateway.dialects.openai_chat import OpenAIChat
from gateway.errors import InvalidRequest
from gateway.types import Chat, Head, Inbound, Text, ToolChoice, ToolResult, ToolUse
from tests.plugins.chat_setup import Setup, chat_setup

HELLO: list[Any] = [{"role": "user", "content": "get_weather"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
CLOCK: Any = {"type": "function", "function": {"name": "get_time", "parameters": SCHEMA}}
CUSTOM: Any = {"type": "custom", "custom": {"name": "shell"}}
NOVA = "bedrock/amazon.nova-lite-v1:0"


@pytest_asyncio.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with chat_setup(tmp_path) as ready:
        yield ready
        assert [record.refusal for record in (*ready.openai.refused, *ready.bedrock.refused)] == []


def decoded(**body: Any) -> Chat:
    head = Head("id", "POST", "/", {}, {}, "127.0.0.1")
    chat = OpenAIChat().decode(Inbound(head, json.dumps({"messages": HELLO} | body).encode())).body
    assert isinstance(chat, Chat)
    return chat


async def test_a_custom_tool_serves_where_the_clients_bytes_go(setup: Setup) -> None:
    question: list[Any] = [{"role": "user", "content": "use shell"}]
    answer = await setup.strict.chat.completions.create(model="both/gpt-4o-mini", messages=question, tools=[CUSTOM])
    assert (answer.choices[0].message.tool_calls or [])[0].type == "custom"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tools": [WEATHER, CUSTOM]}, "tools[1]"),
        ({"tools": [CUSTOM], "tool_choice": {"type": "custom", "custom": {"name": "shell"}}}, "tools[0]"),
        ({"modalities": ["text", "audio"], "audio": {"format": "wav", "voice": "alloy"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        (
            {
                "messages": [
                    *HELLO,
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls"}}],
                    },
                    {"role": "tool", "tool_call_id": "c", "content": "x"},
                ]
            },
            "messages[1].tool_calls[0]",
        ),
    ],
)
async def test_what_a_translation_would_lose_is_refused_by_name(setup: Setup, body: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        await setup.client.chat.completions.create(**({"model": NOVA, "messages": HELLO} | body))
    assert caught.value.param == field
    assert not setup.bedrock.requests


async def test_such_a_chat_skips_to_the_target_that_can(tmp_path: Path) -> None:
    routes = (
        "version: 1\nkeys: {anonymous: loopback}\n"
        "models: {any: {operation: chat, targets: ['bedrock/amazon.nova-lite-v1:0', both/gpt-4o-mini]}}\n"
        "routes: [{path: /v1/chat/completions, dialect: openai.chat}]\n"
    )
    async with chat_setup(tmp_path, routes=routes) as setup:
        raw = await setup.client.chat.completions.with_raw_response.create(
            model="any", messages=[{"role": "user", "content": "use shell"}], tools=[CUSTOM]
        )
        assert raw.headers["x-gateway-provider"] == "both"
        assert not setup.bedrock.requests


def test_allowed_tools_are_a_shorter_list_of_tools() -> None:
    def allowed(mode: str, *tools: Any) -> Any:
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}

    chat = decoded(tools=[WEATHER, CLOCK], tool_choice=allowed("required", CLOCK))
    assert [tool.name for tool in chat.tools] == ["get_time"]
    assert chat.tool_choice == ToolChoice("required")
    assert decoded(tools=[WEATHER], tool_choice=allowed("auto")).tool_choice == ToolChoice("none")


def test_legacy_functions_are_tools() -> None:
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "done"},
    ]
    chat = decoded(messages=messages, functions=[{"name": "f"}], function_call={"name": "f"})
    assert [tool.name for tool in chat.tools] == ["f"]
    assert (chat.tool_choice, chat.parallel_tool_calls) == (ToolChoice("tool", "f"), False)
    assert chat.messages[1].parts == (ToolUse("call_legacy1", "f", "{}"),)
    assert chat.messages[2].parts == (ToolResult("call_legacy1", (Text("done"),)),)
    assert chat.extra == {}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"functions": [{"name": "f"}], "tools": [WEATHER]}, "functions"),
        ({"functions": []}, "functions"),
        ({"functions": [{}]}, "functions[0].name"),
        ({"functions": [{"name": "f"}], "function_call": "any"}, "function_call"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "other"}]}, "tools[0].type"),
        ({"tools": [WEATHER], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
    ],
)
def test_a_wrong_field_of_the_tools_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded(**body)
    assert caught.value.param == param


@pytest.mark.parametrize("model", ["chats/gpt-4o-mini", NOVA])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_client_of_functions_reads_function_calls(setup: Setup, model: str, is_streamed: bool) -> None:
    functions: Any = [{"name": "get_weather", "parameters": SCHEMA}]
    url = f"{setup.gateway.url}/translated"
    client = setup.client.with_options(base_url=url)
    options: dict[str, Any] = {"model": model, "messages": HELLO, "functions": functions}
    if is_streamed:
        chunks = [chunk async for chunk in await client.chat.completions.create(**options, stream=True)]
        calls = [chunk.choices[0].delta.function_call for chunk in chunks]
        named = [call for call in calls if call is not None]
        assert named[0].name == "get_weather"
        assert set(json.loads("".join(call.arguments or "" for call in named))) == {"city"}
        assert chunks[-1].choices[0].finish_reason == "function_call"
        return
    answer = await client.chat.completions.create(**options)
    message = answer.choices[0].message
    assert message.function_call is not None
    assert (message.function_call.name, message.tool_calls) == ("get_weather", None)
    assert answer.choices[0].finish_reason == "function_call"
