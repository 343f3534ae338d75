"""The plugin openai against strict fakes: both endpoints, the accents of other vendors, and what a model refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, BadRequestError

from tests.harness import inside
from tests.plugins.chat_setup import ROUTES, Setup, chat_setup
from tests.vendors.openai import API_KEY, OpenAIServer
from tests.vendors.openai.azure import AzureServer

HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
CLOCK: Any = {"type": "function", "function": {"name": "get_time", "parameters": SCHEMA}}


@pytest_asyncio.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with chat_setup(tmp_path) as ready:
        yield ready
        assert [record.refusal for record in ready.openai.refused] == []


async def text_of(stream: Any) -> str:
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


# ---------------------------------------------------------------- chats served by /responses


async def test_a_chat_is_served_by_responses_where_its_row_says_so(setup: Setup) -> None:
    model = "responses/gpt-4o-mini"
    answer = await setup.strict.chat.completions.create(model=model, messages=HELLO, max_tokens=100)
    assert setup.openai.requests[-1].path == "/v1/responses"
    assert setup.openai.requests[-1].json()["store"] is False
    assert answer.choices[0].message.content == "openai/gpt-4o-mini echoes: hello there"
    assert answer.usage is not None
    stream = await setup.strict.chat.completions.create(model=model, messages=HELLO, stream=True)
    assert await text_of(stream) == answer.choices[0].message.content


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_model_whose_chats_take_no_tools_takes_them_so(setup: Setup, is_streamed: bool) -> None:
    options: dict[str, Any] = {"model": "responses/gpt-5.6-luna", "tools": [WEATHER, CLOCK]}
    question: list[Any] = [{"role": "user", "content": "get_weather and get_time"}]
    if is_streamed:
        calls: dict[int, dict[str, str]] = {}
        async for chunk in await setup.strict.chat.completions.create(**options, messages=question, stream=True):
            for delta in chunk.choices[0].delta.tool_calls or ():
                call = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
                assert delta.function is not None
                call["id"] += delta.id or ""
                call["name"] += delta.function.name or ""
                call["arguments"] += delta.function.arguments or ""
        found = [calls[index] for index in sorted(calls)]
    else:
        message = (await setup.strict.chat.completions.create(**options, messages=question)).choices[0].message
        found = [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
            for call in message.tool_calls or ()
            if call.type == "function"
        ]
    assert [call["name"] for call in found] == ["get_weather", "get_time"]
    assert all(set(json.loads(call["arguments"])) == {"city"} for call in found)
    said = {
        "role": "assistant",
        "tool_calls": [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in found
        ],
    }
    results = [{"role": "tool", "tool_call_id": call["id"], "content": call["name"]} for call in found]
    last: Any = [*question, said, *results]
    answer = await setup.strict.chat.completions.create(**options, messages=last)
    assert (answer.choices[0].message.content or "").endswith("get_weather get_time")


async def test_what_responses_has_no_field_for_is_told(setup: Setup) -> None:
    raw = await setup.client.chat.completions.with_raw_response.create(
        model="responses/gpt-4o-mini",
        messages=HELLO,
        stop=["x"],
        seed=3,
        user="u",
        metadata={"a": "b"},
        verbosity="low",
    )
    assert raw.headers["x-gateway-dropped"] == "seed,stop"
    sent = setup.openai.requests[-1].json()
    assert (sent["user"], sent["metadata"], sent["text"]) == ("u", {"a": "b"}, {"verbosity": "low"})


async def test_more_than_one_choice_is_not_served_by_responses(setup: Setup) -> None:
    with pytest.raises(BadRequestError, match="takes no n") as caught:
        await setup.client.chat.completions.create(model="responses/gpt-4o-mini", messages=HELLO, n=2)
    assert caught.value.param == "n"


async def test_images_and_structured_output_go_by_responses(setup: Setup) -> None:
    parts: Any = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    ]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    schema["additionalProperties"] = False  # type: ignore[assignment]
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    answer = await setup.strict.chat.completions.create(
        model="responses/gpt-4o-mini", messages=[{"role": "user", "content": parts}], response_format=wanted
    )
    assert set(json.loads(answer.choices[0].message.content or "")) == {"a"}
    sent = setup.openai.requests[-1].json()["input"][0]["content"][1]
    assert sent == {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"}


# ---------------------------------------------------------------- what a model refuses


async def test_what_a_reasoning_model_refuses_is_left_out_and_told(setup: Setup) -> None:
    raw = await setup.client.chat.completions.with_raw_response.create(
        model="careful/gpt-6-luna", messages=HELLO, temperature=0.2, top_p=0.9, stop=["x"], max_tokens=500
    )
    assert raw.headers["x-gateway-dropped"] == "stop,temperature,top_p"
    assert set(setup.openai.requests[-1].json()) == {"model", "messages", "max_completion_tokens"}


async def test_what_is_refused_only_while_reasoning_passes_without(setup: Setup) -> None:
    raw = await setup.client.chat.completions.with_raw_response.create(
        model="careful/gpt-6-luna", messages=HELLO, temperature=0.2, reasoning_effort="none"
    )
    assert "x-gateway-dropped" not in raw.headers
    assert setup.openai.requests[-1].json()["temperature"] == 0.2


async def test_the_clients_name_for_the_limit_becomes_the_vendors(setup: Setup) -> None:
    answer = await setup.strict.chat.completions.create(model="both/gpt-6-luna", messages=HELLO, max_tokens=500)
    sent = setup.openai.requests[-1].json()
    assert sent["max_completion_tokens"] == 500
    assert "max_tokens" not in sent
    assert answer.id == "chatcmpl-00000001"  # still the vendor's own answer


# ---------------------------------------------------------------- accents


def rows(vendor: OpenAIServer, options: str, base_url: str = "") -> str:
    return f"""
version: 1
providers:
  v:
    plugin: openai
    base_url: {base_url or vendor.base_url}
    credentials: {{api_key: {API_KEY}}}
    options: {options}
    models: {{gpt-4o-mini: {{operation: chat}}}}
"""


@pytest.mark.parametrize("prefix", ["v1", "translated"])
async def test_a_vendor_with_other_names_gets_them(tmp_path: Path, prefix: str) -> None:
    """Mistral's: the simulator refuses its names, so what was sent is looked at instead."""
    options = "{seed_field: random_seed, max_tokens_field: max_tokens, developer_role: system, stream_usage: false}"
    async with OpenAIServer() as vendor, inside(tmp_path, rows(vendor, options), ROUTES) as gateway:
        async with AsyncOpenAI(base_url=f"{gateway.url}/{prefix}", api_key="x", max_retries=0) as client:
            with pytest.raises(BadRequestError):
                await client.chat.completions.create(
                    model="v/gpt-4o-mini",
                    messages=[{"role": "developer", "content": "Be brief."}, *HELLO],
                    seed=7,
                    max_completion_tokens=9,
                    stream=True,
                    stream_options={"include_usage": True},
                )
        sent = vendor.requests[-1].json()
    assert (sent["random_seed"], sent["max_tokens"], sent["messages"][0]["role"]) == (7, 9, "system")
    assert not {"seed", "max_completion_tokens", "stream_options"} & set(sent)


@pytest.mark.parametrize(
    ("base", "options"),
    [
        ("/openai/v1", "{auth: api-key}"),
        ("/openai", '{auth: api-key, prefix: "/deployments/{model}", query: {api-version: "2024-10-21"}}'),
    ],
)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_azure_is_a_row(tmp_path: Path, base: str, options: str, is_streamed: bool) -> None:
    async with AzureServer() as vendor:
        row = rows(vendor, options, vendor.origin + base)
        async with (
            inside(tmp_path, row, ROUTES) as gateway,
            AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as client,
        ):
            if is_streamed:
                stream = await client.chat.completions.create(model="v/gpt-4o-mini", messages=HELLO, stream=True)
                assert await text_of(stream) == "openai/gpt-4o-mini echoes: hello there"
            else:
                raw = await client.chat.completions.with_raw_response.create(model="v/gpt-4o-mini", messages=HELLO)
                assert json.loads(raw.content)["prompt_filter_results"]
        assert [record.refusal for record in vendor.refused] == []


async def test_a_server_without_a_key_gets_none(tmp_path: Path) -> None:
    row = """
version: 1
providers:
  v: {plugin: openai, base_url: "${LOCAL_URL:-}", options: {auth: none}, models: {gpt-4o-mini: {operation: chat}}}
"""
    async with OpenAIServer() as vendor:
        environ = {"LOCAL_URL": vendor.base_url}
        async with (
            inside(tmp_path, row, ROUTES, environ) as gateway,
            AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="secret-of-the-client", max_retries=0) as client,
        ):
            with pytest.raises(Exception, match="credentials"):  # the fake asks for one
                await client.chat.completions.create(model="v/gpt-4o-mini", messages=HELLO)
        assert vendor.requests[-1].header("authorization") is None
        assert b"secret-of-the-client" not in str(vendor.requests[-1].headers).encode()


async def test_images_that_a_tool_gave_are_shown_after_its_text(setup: Setup) -> None:
    """Chat completions take text from tools only; a client of responses may send images."""
    image = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}
    items: Any = [
        {"role": "user", "content": "look"},
        {"type": "function_call", "call_id": "c1", "name": "screenshot", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "done"}, image]},
    ]
    await setup.client.responses.create(model="chats/gpt-4o-mini", input=items)
    tool, shown = setup.openai.requests[-1].json()["messages"][-2:]
    assert tool == {"role": "tool", "tool_call_id": "c1", "content": "done"}
    assert shown == {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "auto"}}],
    }


async def test_a_file_by_url_is_not_lost_but_refused(setup: Setup) -> None:
    part: Any = {"type": "input_file", "file_url": "https://example.com/a.pdf"}
    with pytest.raises(BadRequestError, match="takes no file by URL"):
        await setup.client.responses.create(
            model="chats/gpt-4o-mini", input=[{"role": "user", "content": [{"type": "input_text", "text": "x"}, part]}]
        )
