"""Any conversation becomes a request that Gemini's own schema and rules accept, and reading it back changes nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.gemini_generate import GeminiGenerate
from gateway.errors import UnsupportedByTarget
from gateway.plugin import load_plugin
from gateway.types import (
    Audio,
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
from tests.vendors.gemini.limits import check_generate
from tests.vendors.gemini.models import find_model
from tests.vendors.gemini.schema import checked_body
from tests.vendors.recording import RequestRecord

PLUGIN: Any = load_plugin("gemini", (Path(__file__).parents[3] / "plugins",)).value
HEAD = Head("id-1", "POST", "/v1beta/models/m:generateContent", {}, {}, "127.0.0.1")
MODELS = ("gemini-3.8-flash", "gemini-2.5-flash")

names = st.sampled_from(["get_weather", "f", "look-up", "a.b"])
texts = st.text(max_size=20)
data = st.binary(min_size=1, max_size=20).map(lambda raw: base64.b64encode(raw).decode())
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(texts, values, max_size=3).map(json.dumps) | st.just("")
media: st.SearchStrategy[Any] = st.one_of(
    st.builds(Image, media_type=st.sampled_from(["image/png", "image/jpeg"]), data_b64=data),
    st.builds(Image, url=st.sampled_from(["https://example.com/a.png", "https://example.com/a?b=c"])),
    st.builds(File, media_type=st.sampled_from(["application/pdf", "text/plain", None]), data_b64=data),
)
user_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, texts), media, st.builds(Audio, st.sampled_from(["wav", "mp3"]), data)
)
thoughts = st.builds(Thinking, texts, st.none() | data, st.booleans(), st.sampled_from(["gemini", "anthropic", ""]))


@st.composite
def steps(draw: st.DrawFn) -> list[Message]:
    """An answer of the model's, with its tool calls answered."""
    said: list[Part] = draw(st.lists(thoughts | st.builds(Text, texts), max_size=3))
    calls = [
        ToolUse(f"call_{draw(st.integers(0, 10**9))}_{index}", draw(names), draw(arguments))
        for index in range(draw(st.integers(0, 3)))
    ]
    results = [
        ToolResult(call.id, tuple(draw(st.lists(st.builds(Text, texts) | media, max_size=2))), draw(st.booleans()))
        for call in calls
    ]
    messages = [Message("assistant", (*said, *calls))]
    if draw(st.booleans()):
        return messages + ([Message("user", tuple(results))] if results else [])
    return messages + [Message("tool", (result,)) for result in draw(st.permutations(results))]


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    messages = [Message("system", (Text(draw(texts)),))] if draw(st.booleans()) else []
    messages.append(Message("user", (Text("begin"),)))
    for _ in range(draw(st.integers(0, 4))):
        turn = draw(st.just(None) | steps())
        messages += turn or [Message("user", tuple(draw(st.lists(user_parts, max_size=3))))]
    has_tools = draw(st.booleans())
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"], "const": "x"}},
        "additionalProperties": False,
    }
    return Chat(
        messages=tuple(messages),
        max_output_tokens=draw(st.none() | st.integers(1, 65_536)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(1, 100)),
        stop=tuple(draw(st.lists(st.text(min_size=1, max_size=5), max_size=5))),
        seed=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        n=draw(st.integers(1, 8)),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        presence_penalty=draw(st.none() | st.floats(-2, 2)),
        logprobs=draw(st.sampled_from([None, False, True])),
        top_logprobs=draw(st.none() | st.integers(0, 20)),
        tools=(Tool("get_weather", draw(st.none() | texts), schema), Tool("f", None, {})) if has_tools else (),
        tool_choice=draw(
            st.sampled_from(
                [None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required"), ToolChoice("tool", "f")]
            )
        ),
        output_format=draw(
            st.sampled_from(
                [None, OutputFormat("text"), OutputFormat("json_object"), OutputFormat("json_schema", "a", schema)]
            )
        ),
        reasoning_effort=draw(st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh", "max"])),
        thinking_budget_tokens=draw(st.none() | st.integers(1024, 24_576)),
    )


def target(model: str) -> Target:
    provider = Provider("gemini", PLUGIN, "https://vendor.example", {"api_key": "k"})
    return Target(provider, Model(model, "chat"))


def call(chat: Chat, dialect: str = "openai.chat", raw: bytes | None = None) -> Call:
    return Call("id-1", "chat", dialect, "m", chat, HEAD, Receipt("id-1", 0.0), raw=raw, is_verbatim=raw is not None)


def built(chat: Chat, model: str) -> bytes:
    body = PLUGIN.build(call(chat), target(model)).body
    assert isinstance(body, bytes)
    return body


@pytest.mark.parametrize("model", MODELS)
@given(chat=chats())
@settings(max_examples=60, deadline=None)
def test_every_request_is_one_that_the_vendor_accepts(model: str, chat: Chat) -> None:
    assert PLUGIN.refusal(call(chat), target(model)) is None
    record = RequestRecord(1, "POST", "/", (("content-type", "application/json"),), 0.0, body=built(chat, model))
    body = checked_body(record, "generateContent")
    for content in body["contents"]:
        for part in content["parts"]:  # made up by the test: the check for genuine ones is the simulator's own test
            if "functionCall" in part and "thoughtSignature" in part:
                part["thoughtSignature"] = "skip/thought/signature/validator"
    check_generate(body, find_model(model))


@given(chat=chats())
@settings(max_examples=60, deadline=None)
def test_reading_a_request_and_writing_it_again_changes_nothing(chat: Chat) -> None:
    first = built(chat, MODELS[0])
    again = GeminiGenerate().decode(Inbound(HEAD, first)).body
    assert isinstance(again, Chat)
    second = PLUGIN.build(call(again, "gemini.generate"), target(MODELS[0])).body
    assert json.loads(second) == json.loads(first)


keys = st.sampled_from(["contents", "model", "extra", "nested"]) | texts
documents = st.dictionaries(keys, values, max_size=4).map(
    lambda value: value | {"contents": [{"parts": [{"text": "a"}]}]}
)


@given(document=documents, indent=st.sampled_from([None, 1]), is_ascii=st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_clients_own_bytes_go_out_but_for_the_model(
    document: dict[str, Any], indent: int | None, is_ascii: bool
) -> None:
    raw = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode(errors="surrogatepass")
    sent = PLUGIN.build(call(Chat(()), "gemini.generate", raw), target(MODELS[0])).body
    assert isinstance(sent, bytes)
    if isinstance(document.get("model"), str):
        assert json.loads(sent) == document | {"model": f"models/{MODELS[0]}"}
        before, after = json.dumps(document["model"], ensure_ascii=is_ascii), f'"models/{MODELS[0]}"'
        assert sent == raw.replace(f'"model": {before}'.encode(), f'"model": {after}'.encode(), 1) or before in str(
            document
        )
    else:
        assert sent == raw


def test_an_empty_chat_is_refused_with_its_reason() -> None:
    with pytest.raises(UnsupportedByTarget, match="nothing empty"):
        built(Chat((Message("user", (Text(""),)),)), MODELS[0])
