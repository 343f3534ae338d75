"""A client of OpenAI's format uses tools with a model that wants its thinking back: it gets it, and only it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from gateway.middlewares.recall import joined, recalled
from gateway.stores.thoughts import Thoughts, ThoughtStore
from gateway.types import Message, Text, Thinking, ThinkingDelta, ToolUse
from tests.harness import Inside, inside
from tests.vendors import openai as openai_vendor
from tests.vendors.anthropic import API_KEY, AnthropicServer
from tests.vendors.openai import OpenAIServer

PROVIDERS = """
version: 1
providers:
  anthropic:
    plugin: anthropic
    base_url: {anthropic}
    credentials: {{api_key: {anthropic_key}}}
    models:
      claude-haiku-4-5: {{operation: chat, max_output_tokens: 64000, options: {{reasoning: budget}}}}
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models:
      gpt-5.4-mini: {{operation: chat}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: never, static: "one:quai9eefei2Xohn7aeth,two:Ohd4uu9shaeF1ahch8ai"}
models:
  claude: {operation: chat, targets: [anthropic/claude-haiku-4-5]}
  gpt: {operation: chat, targets: [openai/gpt-5.4-mini]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
"""
ONE, TWO = "quai9eefei2Xohn7aeth", "Ohd4uu9shaeF1ahch8ai"
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
CLOCK: Any = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
ASKED: Any = {"role": "user", "content": "get_weather and get_time"}


@dataclass
class House:
    gateway: Inside
    claude: AnthropicServer
    openai: OpenAIServer

    def client(self, key: str = ONE) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.gateway.url}/v1", api_key=key, max_retries=0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AnthropicServer() as claude, OpenAIServer() as openai:
        providers = PROVIDERS.format(
            anthropic=claude.base_url, anthropic_key=API_KEY, openai=openai.base_url, openai_key=openai_vendor.API_KEY
        )
        async with inside(tmp_path, providers, ROUTES) as gateway:
            yield House(gateway, claude, openai)
            assert [record.refusal for vendor in (claude, openai) for record in vendor.refused] == []


async def ask(client: AsyncOpenAI, model: str = "claude", *, is_streamed: bool = False) -> Any:
    """Return the messages after the first answer, the results of its tools included."""
    options: Any = {"model": model, "messages": [ASKED], "tools": [TOOL, CLOCK], "reasoning_effort": "low"}
    if is_streamed:
        async with client.chat.completions.stream(**options) as stream:
            message = (await stream.get_final_completion()).choices[0].message
    else:
        message = (await client.chat.completions.create(**options)).choices[0].message
    assert message.tool_calls is not None
    results = [{"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in message.tool_calls]
    calls = [call.model_dump(include={"id", "type", "function"}) for call in message.tool_calls]
    for call in calls:
        call["function"] = {name: call["function"][name] for name in ("name", "arguments")}
    return [ASKED, {"role": "assistant", "content": message.content, "tool_calls": calls}, *results]


async def go_on(client: AsyncOpenAI, messages: Any, model: str = "claude") -> Any:
    """Return the raw answer to the results."""
    return await client.chat.completions.with_raw_response.create(
        model=model, messages=messages, tools=[TOOL, CLOCK], reasoning_effort="low"
    )


def sent_turn(server: AnthropicServer) -> list[str]:
    """Return the kinds of blocks in the assistant's turn of the last request."""
    body = server.requests[-1].json()
    return [block["type"] for block in body["messages"][1]["content"]]


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_thinking_is_put_back_before_the_tools_that_it_led_to(house: House, *, is_streamed: bool) -> None:
    async with house.client() as client:
        messages = await ask(client, is_streamed=is_streamed)
        answer = await go_on(client, messages)

    assert sent_turn(house.claude) == ["thinking", "tool_use", "tool_use"]
    assert house.claude.requests[-1].json()["thinking"]["type"] == "enabled"
    assert "x-gateway-dropped" not in answer.headers


async def test_forgotten_thinking_costs_the_turns_thinking_and_nothing_else(house: House) -> None:
    async with house.client() as client:
        messages = await ask(client)
        renamed = json.loads(json.dumps(messages).replace("toolu_", "other_"))  # as another replica would see them
        answer = await go_on(client, renamed)

    assert sent_turn(house.claude) == ["tool_use", "tool_use"]
    assert "thinking" not in house.claude.requests[-1].json()
    assert answer.headers["x-gateway-dropped"] == "reasoning_effort"
    assert answer.parse().choices[0].message.content


async def test_another_tenants_call_id_brings_nothing(house: House) -> None:
    async with house.client() as mine, house.client(TWO) as yours:
        messages = await ask(mine)
        await go_on(yours, messages)

    assert sent_turn(house.claude) == ["tool_use", "tool_use"]


async def test_another_vendor_is_not_given_it(house: House) -> None:
    async with house.client() as client:
        messages = await ask(client)
        await client.chat.completions.create(model="gpt", messages=messages, tools=[TOOL, CLOCK])

    assert "They say" not in house.openai.requests[-1].body.decode()


# ---------------------------------------------------------------- the pure part


def store_with(call_id: str, thoughts: Thoughts) -> ThoughtStore:
    store = ThoughtStore(lambda: 0.0)
    store.put("me", call_id, thoughts)
    return store


THOUGHT = Thinking("why", "sig", vendor="v")
CALL = ToolUse("c1", "f", "{}")


def test_thinking_that_came_first_comes_first() -> None:
    message = Message("assistant", (Text("I look."), CALL))
    first, later = Thoughts((THOUGHT,), is_first=True, target="p/m"), Thoughts((THOUGHT,), is_first=False, target="p/m")

    assert recalled(message, store_with("c1", first), "me", "p/m").parts == (THOUGHT, Text("I look."), CALL)
    assert recalled(message, store_with("c1", later), "me", "p/m").parts == (Text("I look."), THOUGHT, CALL)


def test_a_message_with_its_own_thinking_is_left_alone() -> None:
    own = Message("assistant", (Thinking("else", vendor="v"), CALL))
    asked = Message("user", (CALL,))
    store = store_with("c1", Thoughts((THOUGHT,), is_first=True, target="p/m"))

    assert recalled(own, store, "me", "p/m") is own
    assert recalled(asked, store, "me", "p/m") is asked


def test_only_the_target_that_thought_it_gets_it() -> None:
    message = Message("assistant", (CALL,))
    store = store_with("c1", Thoughts((THOUGHT,), is_first=True, target="p/m"))

    assert recalled(message, store, "me", "p/other") is message
    assert recalled(message, store, "you", "p/m") is message
    assert recalled(message, store, "me", "p/m").parts == (THOUGHT, CALL)


def test_pieces_join_into_the_parts_they_came_from() -> None:
    pieces = [
        ThinkingDelta("a", vendor="v", is_new=True),
        ThinkingDelta("b", vendor="v"),
        ThinkingDelta(signature="s", vendor="v"),
        ThinkingDelta("sealed", is_redacted=True, vendor="v", is_new=True),
        ThinkingDelta("", "t", vendor="v", is_new=True),
    ]

    assert joined(pieces) == (
        Thinking("ab", "s", vendor="v"),
        Thinking("sealed", is_redacted=True, vendor="v"),
        Thinking("", "t", vendor="v"),
    )
