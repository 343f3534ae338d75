"""What an Anthropic client says, read into normal form; what only Anthropic understands is named, and never lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from anthropic import AsyncAnthropic, BadRequestError
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import DIALECTS
from gateway.dialects.anthropic_blocks import Blocks, assemble
from gateway.dialects.anthropic_thoughts import seal, unseal
from gateway.errors import InvalidRequest, TooLarge, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from gateway.types import (
    Chat,
    Done,
    Event,
    File,
    Image,
    Message,
    OutputFormat,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolChoice,
    ToolDelta,
    ToolResult,
    ToolUse,
)
from tests.given import call, inbound
from tests.harness import inside
from tests.vendors import openai as openai_vendor
from tests.vendors.openai import OpenAIServer

DIALECT = DIALECTS["anthropic.messages"]


def read(**fields: Any) -> Chat:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]} | fields
    chat = DIALECT.decode(inbound(orjson.dumps(body))).body
    assert isinstance(chat, Chat)
    return chat


def said(*blocks: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(blocks)}]}


def test_every_field_that_both_sides_know_is_read() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    chat = read(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop_sequences=["END"],
        tools=[{"name": "f", "description": "d", "input_schema": schema, "strict": True}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        output_config={"effort": "xhigh", "format": {"type": "json_schema", "schema": schema}},
        thinking={"type": "enabled", "budget_tokens": 2000},
        metadata={"user_id": "u"},
        service_tier="auto",
    )

    assert chat == Chat(
        messages=(Message("system", (Text("Be brief."),)), Message("user", (Text("hi"),))),
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop=("END",),
        tools=(Tool("f", "d", schema, is_strict=True),),
        tool_choice=ToolChoice("tool", "f"),
        parallel_tool_calls=False,
        output_format=OutputFormat("json_schema", schema=schema, is_strict=True),
        reasoning_effort="xhigh",
        thinking_budget_tokens=2000,
        user="u",
        extra={"service_tier": "auto"},
    )


def test_results_of_tools_become_messages_before_the_text_beside_them() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}], "is_error": True}
    chat = read(**said({"type": "text", "text": "x"}, result))

    assert chat.messages == (
        Message("tool", (ToolResult("t", (Text("r"),), is_error=True),)),
        Message("user", (Text("x"),)),
    )


def test_pictures_documents_and_calls_are_read() -> None:
    chat = read(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                    {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                    {"type": "document", "title": "t.pdf", "source": {"type": "url", "url": "https://x/t.pdf"}},
                    {"type": "document", "title": "n", "source": {"type": "text", "data": "text"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
        ]
    )

    assert chat.messages[0].parts == (
        Image("image/png", "AA"),
        Image(url="https://x/y.png"),
        File("t.pdf", "application/pdf", url="https://x/t.pdf"),
        Text("n\n\ntext"),
    )
    assert chat.messages[1].parts == (ToolUse("t", "f", '{"a":1}'),)
    assert chat.only_verbatim == ()


@pytest.mark.parametrize(
    ("thinking", "config", "effort", "budget", "extra"),
    [
        ({"type": "disabled"}, {}, "none", None, {}),
        ({"type": "disabled"}, {"effort": "low"}, "low", 0, {}),
        ({"type": "adaptive"}, {}, None, None, {"thinking": {"type": "adaptive"}}),
        (
            {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
            {},
            None,
            1024,
            {"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}},
        ),
    ],
)
def test_thinking_is_read(thinking: Any, config: Any, effort: Any, budget: Any, extra: Any) -> None:
    chat = read(thinking=thinking, output_config=config)

    assert (chat.reasoning_effort, chat.thinking_budget_tokens, chat.extra) == (effort, budget, extra)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, ("tools[0]",)),
        ({"container": "c"}, ("container",)),
        ({"max_tokens": 0}, ("max_tokens",)),
        (said({"type": "search_result", "source": "s", "title": "t", "content": []}), ("messages[0].content[0]",)),
        (said({"type": "image", "source": {"type": "file", "file_id": "f"}}), ("messages[0].content[0]",)),
    ],
)
def test_what_only_the_vendor_understands_is_named(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    assert read(**fields).only_verbatim == names


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"messages": []}, "messages"),
        ({"system": 5}, "system"),
        (said({"text": "x"}), "messages[0].content[0].type"),
        (said({"type": "tool_use", "id": "t", "name": "f", "input": "{}"}), "messages[0].content[0].input"),
        (said({"type": "tool_result"}), "messages[0].content[0].tool_use_id"),
        ({"tool_choice": {"type": "required"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "schema"),
    ],
)
def test_a_faulty_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param is not None
    assert caught.value.param.endswith(param)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("x"), "invalid_request_error"),
        (TooLarge("x"), "request_too_large"),
        (UpstreamUnavailable("x"), "overloaded_error"),
        (UpstreamTimeout("x"), "timeout_error"),
        (UpstreamMalformed("x"), "api_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(error: Any, kind: str) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "x"}, "request_id": "r"}

    assert orjson.loads(DIALECT.encode_error(error, "r", started=False)) == body
    assert DIALECT.encode_error(error, "r", started=True) == b"event: error\ndata: %b\n\n" % orjson.dumps(body)


# ---------------------------------------------------------------- blocks


def content(*events: Event) -> list[dict[str, Any]]:
    blocks = Blocks()
    payloads = [payload for event in events for payload in blocks.feed(event)]
    return assemble([*payloads, *blocks.end()])


def test_another_vendors_signature_travels_hidden_and_comes_back() -> None:
    blocks = content(
        ThinkingDelta("", "c2ln", vendor="gemini", is_new=True),
        ToolDelta(0, '{"a":1}', "t1", "f"),
        ThinkingDelta("so", vendor="other"),
        TextDelta("done"),
    )

    assert blocks == [
        {"type": "redacted_thinking", "data": "gateway:signed:gemini:c2ln"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "thinking", "thinking": "so", "signature": "gateway:signed:other:"},
        {"type": "text", "text": "done"},
    ]
    parts = read(**said(*blocks, role="assistant")).messages[0].parts
    assert parts == (
        Thinking("", "c2ln", vendor="gemini"),
        ToolUse("t1", "f", '{"a":1}'),
        Thinking("so", vendor="other"),
        Text("done"),
    )


@given(st.sampled_from(["signed", "sealed"]), st.sampled_from(["gemini", "openai", "x_y"]), st.text())
def test_a_seal_opens_to_what_was_put_in(kind: str, vendor: str, text: str) -> None:
    assert unseal(seal(kind, vendor, text)) == (kind, vendor, text)


def test_this_vendors_own_signature_is_not_touched() -> None:
    assert content(
        ThinkingDelta("why", vendor="anthropic", is_new=True), ThinkingDelta("", "s", vendor="anthropic")
    ) == [{"type": "thinking", "thinking": "why", "signature": "s"}]


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "nothing"])
def test_arguments_that_are_no_object_are_the_vendors_fault(arguments: str) -> None:
    with pytest.raises(UpstreamMalformed, match="arguments"):
        content(ToolDelta(0, arguments, "t", "f"), TextDelta("x"))


async def test_an_answer_that_broke_off_is_an_error() -> None:
    with pytest.raises(UpstreamUnavailable):
        await DIALECT.encode(call(), _events([TextDelta("x"), Done("error")]))


async def _events(events: Sequence[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


# ---------------------------------------------------------------- only what is said is lost

PROVIDERS = """
version: 1
providers:
  openai:
    plugin: openai
    base_url: {url}
    credentials: {{api_key: {key}}}
    models:
      gpt-5.4-mini: {{operation: chat}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  gpt: {operation: chat, targets: [openai/gpt-5.4-mini]}
routes:
  - {path: /v1/messages, dialect: anthropic.messages}
"""


async def test_what_another_vendor_cannot_be_told_is_said_or_refused(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        providers = PROVIDERS.format(url=vendor.base_url, key=openai_vendor.API_KEY)
        async with (
            inside(tmp_path, providers, ROUTES) as gateway,
            AsyncAnthropic(base_url=gateway.url, api_key="any", max_retries=0) as client,
        ):
            hello: Any = [{"role": "user", "content": "hello"}]
            raw = await client.messages.with_raw_response.create(
                model="gpt", max_tokens=20, messages=hello, service_tier="auto", thinking={"type": "adaptive"}
            )
            assert {"service_tier", "thinking"} <= set(raw.headers["x-gateway-dropped"].split(","))
            search: Any = {"type": "web_search_20250305", "name": "web_search"}
            with pytest.raises(BadRequestError, match=r"tools\[0\]"):
                await client.messages.create(model="gpt", max_tokens=20, messages=hello, tools=[search])
            assert len(vendor.requests) == 1
