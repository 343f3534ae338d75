"""Any chat in normal form becomes a body that the vendor's own schema takes, or a refusal that says why."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as responses_params

from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.errors import InvalidRequest
from gateway.middlewares import usable
from gateway.middlewares.capability import Refusal, fit
from gateway.plugin import load_plugin
from gateway.types import (
    Call,
    Chat,
    File,
    Head,
    Image,
    Inbound,
    Message,
    Model,
    OutputFormat,
    Part,
    Provider,
    Receipt,
    Target,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from tests.vendors.bedrock.shapes import fault_of, with_blobs
from tests.vendors.strict import StrictValidator

T = TypeVar("T")
PLUGINS = (Path(__file__).parents[2] / "plugins",)
DATA = base64.b64encode(b"\x89PNG").decode()
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
OBJECTS = st.dictionaries(NAMES, WORDS, max_size=3)
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


KEYS = ["type", "role", "content", "text", "function", "name", "tools", "input", "id", "tool_calls", "arguments"]
KEYS += ["parameters", "format", "effort", "output", "call_id", "summary", "function_call", "allowed_tools", "custom"]


def maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | strategy


IMAGES = st.builds(
    Image, media_type=st.sampled_from(["image/png", "image/webp"]), data_b64=st.just(DATA), detail=st.none()
) | st.builds(Image, url=st.just("https://example.com/a.png"), detail=maybe(st.sampled_from(["low", "high"])))
FILES = st.builds(
    File, filename=maybe(WORDS), media_type=st.sampled_from(["application/pdf", "text/plain"]), data_b64=st.just(DATA)
)
SAID = st.lists(st.builds(Text, WORDS) | IMAGES | FILES, min_size=1, max_size=3)


@st.composite
def turns(draw: Callable[[Any], Any]) -> tuple[Message, ...]:
    """A conversation that begins with the user and in which every call has its result."""
    messages = [Message("user", tuple(draw(SAID)))]
    if draw(st.booleans()):
        messages.insert(0, Message(draw(st.sampled_from(["system", "developer"])), (Text(draw(WORDS)),)))
    for turn in range(draw(st.integers(0, 2))):
        parts: list[Part] = [Text(draw(WORDS))] if draw(st.booleans()) else []
        if draw(st.booleans()):
            parts.insert(0, Thinking(draw(WORDS), draw(WORDS), vendor=draw(st.sampled_from(["gemini", "anthropic"]))))
        ids = [f"call_{turn}_{index}" for index in range(draw(st.integers(0, 2)))]
        parts += [ToolUse(id, draw(NAMES), json.dumps(draw(OBJECTS))) for id in ids]
        messages.append(Message("assistant", tuple(parts) or (Text("yes"),)))
        given = st.lists(st.builds(Text, WORDS) | IMAGES | FILES, max_size=2)
        messages += [Message("tool", (ToolResult(id, tuple(draw(given))),)) for id in ids]
        messages.append(Message("user", (Text(draw(WORDS)),)))
    return tuple(messages)


TOOLS = st.lists(
    st.builds(Tool, NAMES, maybe(WORDS), st.just({"type": "object", "properties": {}}), maybe(st.booleans())),
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(tuple)
FORMATS = st.builds(OutputFormat, st.sampled_from(["text", "json_object"])) | st.builds(
    OutputFormat, st.just("json_schema"), NAMES, OBJECTS, maybe(WORDS), maybe(st.booleans())
)
CHATS = st.builds(
    Chat,
    messages=turns(),
    max_output_tokens=maybe(st.integers(16, 10_000)),
    temperature=maybe(st.floats(0, 2)),
    top_p=maybe(st.floats(0, 1)),
    top_k=maybe(st.integers(1, 100)),
    stop=st.lists(WORDS.filter(bool), max_size=4).map(tuple),
    seed=maybe(st.integers(-(2**53), 2**53)),
    n=st.integers(1, 3),
    frequency_penalty=maybe(st.floats(-2, 2)),
    presence_penalty=maybe(st.floats(-2, 2)),
    logit_bias=maybe(st.dictionaries(st.integers(0, 9).map(str), st.integers(-100, 100), max_size=2)),
    logprobs=maybe(st.booleans()),
    tools=TOOLS,
    tool_choice=maybe(st.sampled_from([ToolChoice("auto"), ToolChoice("required"), ToolChoice("none")])),
    parallel_tool_calls=maybe(st.booleans()),
    output_format=maybe(FORMATS),
    reasoning_effort=maybe(st.sampled_from(["none", "low", "high"])),
    thinking_budget_tokens=maybe(st.integers(1024, 4096)),
    user=maybe(WORDS),
)


@cache
def target(plugin: str, api: str = "chat") -> Target:
    loaded = load_plugin(plugin, PLUGINS).value
    provider = Provider("p", loaded, loaded.default_base_url, options={"api": api} if plugin == "openai" else {})
    return Target(provider, Model("m", "chat"))


def sent(chat: Chat, at: Target, *, stream: bool = False) -> dict[str, Any] | None:
    """Return the body that goes out, None where the target is refused for a reason that is said."""
    head = Head("id", "POST", "/", {}, {}, "127.0.0.1")
    call = Call("id", "chat", "native.generate", "m", chat, head, Receipt("id", 0.0), stream=stream, targets=(at,))
    refusal = usable.refuse(call, at)
    if refusal is not None:
        assert refusal.reason
        return None
    fitted = fit(call, at, is_verbatim=False)
    assert not isinstance(fitted, Refusal)
    request = at.provider.plugin.build(replace(call, body=fitted.body, target=at), at)
    assert isinstance(request.body, bytes)
    body: dict[str, Any] = json.loads(request.body)
    return body


@cache
def validator(kind: Any) -> StrictValidator:
    return StrictValidator(kind)


@SETTINGS
@given(CHATS, st.booleans())
def test_any_chat_is_a_chat_completion(chat: Chat, stream: bool) -> None:
    body = sent(chat, target("openai"), stream=stream)
    kind = chat_params.CompletionCreateParamsStreaming if stream else chat_params.CompletionCreateParamsNonStreaming
    assert body is not None
    assert validator(kind).violation(body) is None


@SETTINGS
@given(CHATS, st.booleans())
def test_any_chat_is_a_response_or_refused(chat: Chat, stream: bool) -> None:
    body = sent(chat, target("openai", "responses"), stream=stream)
    kind = (
        responses_params.ResponseCreateParamsStreaming if stream else responses_params.ResponseCreateParamsNonStreaming
    )
    assert (body is None) == (chat.n > 1)
    if body is not None:
        assert validator(kind).violation(body) is None


@SETTINGS
@given(CHATS)
def test_any_chat_is_a_converse_or_refused(chat: Chat) -> None:
    body = sent(chat, target("bedrock"))
    if body is None:
        return
    params = with_blobs("bedrock-runtime", "Converse", body) | {"modelId": "m"}
    assert fault_of("bedrock-runtime", "Converse", params) is None
    roles = [message["role"] for message in body["messages"]]
    assert all(one != two for one, two in pairwise(roles)), roles


def _decoded(dialect: Any, body: dict[str, Any]) -> Chat:
    head = Head("id", "POST", "/", {}, {}, "127.0.0.1")
    chat = dialect.decode(Inbound(head, json.dumps(body).encode())).body
    assert isinstance(chat, Chat)
    return chat


@SETTINGS
@given(CHATS)
def test_a_chat_completion_written_out_reads_back_as_the_same_chat(chat: Chat) -> None:
    """What both sides can express survives; thinking and what the format lacks do not."""
    body = sent(chat, target("openai"))
    assert body is not None
    again = _decoded(OpenAIChat(), body)
    for name in ("max_output_tokens", "temperature", "top_p", "stop", "seed", "n", "frequency_penalty", "user"):
        assert getattr(again, name) == getattr(chat, name), name
    assert again.tools == tuple(replace(tool) for tool in chat.tools)
    assert [message.text for message in again.messages if message.role == "user"] == [
        message.text for message in _shown(chat) if message.role == "user"
    ]
    assert _calls(again) == _calls(chat)


@SETTINGS
@given(CHATS.filter(lambda chat: chat.n == 1))
def test_a_response_written_out_reads_back_as_the_same_chat(chat: Chat) -> None:
    body = sent(chat, target("openai", "responses"))
    assert body is not None
    again = _decoded(OpenAIResponses(), body)
    for name in ("max_output_tokens", "temperature", "top_p", "reasoning_effort", "user"):
        assert getattr(again, name) == getattr(chat, name), name
    assert [tool.name for tool in again.tools] == [tool.name for tool in chat.tools]
    assert _calls(again) == _calls(chat)
    assert "".join(message.text for message in again.messages) == "".join(message.text for message in chat.messages)


def _calls(chat: Chat) -> list[tuple[str, str, str]]:
    parts = [part for message in chat.messages for part in message.parts]
    return [(part.id, part.name, part.arguments) for part in parts if isinstance(part, ToolUse)]


def _shown(chat: Chat) -> list[Message]:
    """The messages as a chat completion has them: images of a tool's result follow as a message of the user's."""
    shown: list[Message] = []
    for message in chat.messages:
        shown.append(message)
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        if any(not isinstance(inner, Text) for part in results for inner in part.parts):
            shown.append(Message("user", ()))
    return shown


@pytest.mark.parametrize("dialect", [OpenAIChat(), OpenAIResponses()], ids=lambda dialect: dialect.name)
@SETTINGS
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
        max_leaves=12,
    ),
    st.sampled_from(["messages", "input", "tools", "tool_choice", "text", "reasoning", "functions", "response_format"]),
)
def test_no_json_makes_a_dialect_fail(dialect: Any, value: Any, key: str) -> None:
    """Whatever a client sends is read or refused as its own fault."""
    body = {"messages": [{"role": "user", "content": "x"}], "input": "x"} | {key: value}
    with suppress(InvalidRequest):
        _decoded(dialect, body)


MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "function", "system"])},
    optional={
        "content": st.none()
        | st.text(max_size=3)
        | st.lists(st.dictionaries(st.sampled_from(KEYS), WORDS), max_size=2),
        "tool_calls": st.none() | st.lists(st.none() | st.dictionaries(st.sampled_from(KEYS), WORDS), max_size=2),
        "function_call": st.none() | st.dictionaries(st.sampled_from(KEYS), WORDS, max_size=2),
        "tool_call_id": st.none() | WORDS,
        "name": st.none() | WORDS,
        "type": st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "other"]),
        "output": st.none() | WORDS,
    },
)


@pytest.mark.parametrize("dialect", [OpenAIChat(), OpenAIResponses()], ids=lambda dialect: dialect.name)
@SETTINGS
@given(st.lists(MESSAGE, max_size=3))
def test_no_messages_make_a_dialect_fail(dialect: Any, messages: list[Any]) -> None:
    with suppress(InvalidRequest):
        _decoded(dialect, {"messages": messages, "input": messages})
