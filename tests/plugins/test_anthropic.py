"""Whatever a chat holds, Anthropic is sent what it takes; its own format passes byte for byte; events come back.

The strict fake's own rules judge: the types of the official package, and what those do not say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.dialects import DIALECTS
from gateway.errors import GatewayError
from gateway.middlewares.capability import Fit, fit
from gateway.plugin import load_plugin
from gateway.types import (
    Call,
    Chat,
    Client,
    Done,
    Event,
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
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolChoice,
    ToolDelta,
    ToolResult,
    ToolUse,
    Units,
    UpstreamResponse,
    Usage,
)
from tests.vendors.anthropic.limits import check_limits
from tests.vendors.anthropic.models import find_model
from tests.vendors.anthropic.requests import NEW, OLD, check_schema
from tests.vendors.anthropic.thinking import redacted_block, thinking_block

PLUGIN = load_plugin("anthropic", (Path(__file__).parents[2] / "plugins",)).value
MODELS: dict[str, dict[str, Any]] = {
    "claude-opus-5-5": {"sampling": False, "thinking_off": False, "forced_tools": False},
    "claude-sonnet-5-5": {"sampling": False},
    "claude-sonnet-4-6": {"system_turns": False},
    "claude-haiku-4-5": {"reasoning": "budget", "system_turns": False},
}
HEAD = Head("id-1", "POST", "/x", {}, {}, "127.0.0.1", client=Client("t", "t"))
T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def target(model: str = "claude-sonnet-5-5", version: str = NEW) -> Target:
    row = Model(model, "chat", max_output_tokens=find_model(model).max_tokens, options=MODELS[model])
    provider = Provider("p", PLUGIN, PLUGIN.default_base_url, {"api_key": "k"}, options={"version": version})
    return Target(provider, row)


def call(chat: Chat, dialect: str = "openai.chat", **changes: Any) -> Call:
    return replace(Call("id-1", "chat", dialect, "m", chat, HEAD, Receipt("id-1", 0.0)), **changes)


# ---------------------------------------------------------------- chats

texts = st.text(max_size=8)
names = st.sampled_from(["get_a", "get_b", "get-c"])
schemas = st.recursive(
    st.sampled_from(
        [
            {"type": "string", "minLength": 2},
            {"type": ["integer", "null"], "minimum": 1},
            {"enum": ["a", 1, None]},
            {"type": "string", "format": "date", "pattern": "x"},
            {"type": "boolean", "title": "T"},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item, "minItems": 3}, inner),
        st.builds(lambda one, two: {"oneOf": [one, two], "description": "either"}, inner, inner),
        st.builds(lambda one: {"type": "object", "properties": {"p": one}, "additionalProperties": True}, inner),
    ),
    max_leaves=4,
)
objects = st.builds(lambda inner: {"type": "object", "properties": {"p": inner}, "required": ["p"]}, schemas)
pictures = st.sampled_from(
    [
        Image("image/png", "iVBORw0KGgo="),
        Image("image/jpg", "/9j/"),
        Image("image/bmp", "AAAA"),
        Image(url="https://example.com/x.png", detail="high"),
    ]
)
files = st.sampled_from(
    [
        File("a.pdf", "application/pdf", "JVBERi0xLjQ="),
        File("a.txt", "text/plain", "aGVsbG8="),
        File(url="https://example.com/a.pdf"),
        File(file_id="file-1"),
    ]
)
own = st.builds(lambda text: thinking_block(text), texts).map(
    lambda block: Thinking(block["thinking"], block["signature"], vendor="anthropic")
)
sealed = st.builds(lambda text: redacted_block(text), texts).map(
    lambda block: Thinking(block["data"], is_redacted=True, vendor="anthropic")
)
foreign = st.builds(lambda text: Thinking(text, "sig", vendor="gemini"), texts)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """One turn of a chat: a user's, a system's, an assistant's; with its tools' results, where it calls any."""
    kind: Any = draw(st.sampled_from(["user", "system", "developer", "assistant", "tools"]))
    if kind in ("system", "developer"):
        return [Message(kind, (Text(draw(texts)),))]
    if kind == "user":
        parts: list[Part] = draw(st.lists(st.one_of(st.builds(Text, texts), pictures, files), max_size=3))
        return [Message("user", tuple(parts), draw(st.sampled_from([None, "ann", "bob"])))]
    said: list[Part] = [*draw(st.lists(st.one_of(own, sealed, foreign), max_size=2)), Text(draw(texts))]
    if kind == "assistant":
        return [Message("assistant", tuple(said))]
    count = draw(st.integers(1, 3))
    ids = [f"call:{draw(st.uuids())}" for _ in range(count)]
    arguments = st.sampled_from(["", "{}", '{"a": [1]}', " "])
    uses = [ToolUse(call_id, draw(names), draw(arguments)) for call_id in ids]
    results: list[Message] = [
        Message("tool", (ToolResult(call_id, (Text(draw(texts)),), draw(st.booleans())),))
        for call_id in draw(st.permutations(ids))
    ]
    if draw(st.booleans()):
        results.insert(draw(st.integers(0, len(results))), Message("system", (Text("meanwhile"),)))
    return [Message("assistant", (*said, *uses)), *results]


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    messages = [message for turn in draw(st.lists(turns(), max_size=5)) for message in turn]
    tools = draw(st.lists(st.builds(Tool, names, st.none() | texts, objects, st.none() | st.booleans()), max_size=3))
    tools = list({tool.name: tool for tool in tools}.values())
    modes = [ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
    choices = st.sampled_from([None, *modes, *[ToolChoice("tool", tool.name) for tool in tools]])
    return Chat(
        messages=(*messages, Message("user", (Text("go on"),))) if draw(st.booleans()) else tuple(messages),
        max_output_tokens=draw(st.none() | st.integers(1, 90_000)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(0, 100)),
        stop=tuple(draw(st.lists(texts, max_size=3))),
        seed=draw(st.none() | st.integers(0, 9)),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        tools=tuple(tools),
        tool_choice=draw(choices),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        output_format=draw(
            st.none() | st.builds(lambda schema: OutputFormat("json_schema", "n", schema, "d"), objects)
        ),
        reasoning_effort=draw(st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh", "max"])),
        thinking_budget_tokens=draw(st.none() | st.integers(-1, 100_000)),
        user=draw(st.none() | texts),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chats(), st.sampled_from(sorted(MODELS)), st.sampled_from([OLD, NEW]), st.booleans())
def test_every_chat_is_refused_with_a_reason_or_written_as_the_vendor_takes_it(
    chat: Chat, model: str, version: str, is_streamed: bool
) -> None:
    where, asked = target(model, version), call(chat, stream=is_streamed)
    fitted = fit(asked, where, is_verbatim=False)
    if not isinstance(fitted, Fit) or PLUGIN.refusal(asked, where) is not None:
        return
    body = orjson.loads(PLUGIN.build(replace(asked, body=fitted.body), where).body)
    if not body["messages"]:
        return  # nothing but blanks was said: the vendor's own words say so best
    check_schema(body, "stream" if is_streamed else "message", version)
    check_limits(body, find_model(model), version)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chats())
def test_what_was_written_reads_as_the_same_chat(chat: Chat) -> None:
    where, asked = target(), call(chat)
    fitted = fit(asked, where, is_verbatim=False)
    if not isinstance(fitted, Fit) or PLUGIN.refusal(asked, where) is not None:
        return
    written = PLUGIN.build(replace(asked, body=fitted.body), where).body
    if not orjson.loads(written)["messages"]:
        return
    again = DIALECTS["anthropic.messages"].decode(Inbound(HEAD, written))
    assert isinstance(again.body, Chat)
    rewritten = PLUGIN.build(call(again.body, "anthropic.messages"), where).body

    assert _plain(orjson.loads(rewritten)) == _plain(orjson.loads(written))


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """A text file reads as text, and a tool's schema is made strict anew."""
    text = orjson.dumps({key: value for key, value in body.items() if key not in ("tools", "messages")})
    plain: dict[str, Any] = orjson.loads(text)
    plain["messages"] = [
        (message["role"], [_block(block) for block in message["content"]])
        if isinstance(message["content"], list)
        else (message["role"], [{"type": "text", "text": message["content"]}])
        for message in body["messages"]
    ]
    plain["tools"] = [tool["name"] for tool in body.get("tools", [])]
    return plain


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "document" and block["source"]["type"] == "text":
        return {"type": "text", "text": f"{block['title']}\n\n{block['source']['data']}"}
    return block


# ---------------------------------------------------------------- byte for byte

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BASE = {"max_tokens": 5, "messages": [{"role": "user", "content": "hi", "x-extra": {"model": "inner"}}]}


@given(st.dictionaries(st.text(max_size=10), json_values, max_size=4), st.integers(0, 6), st.booleans())
def test_a_clients_bytes_go_out_with_nothing_but_the_model_changed(
    extra: dict[str, Any], at: int, is_indented: bool
) -> None:
    items = [*{**{f"x-{key}": value for key, value in extra.items()}, **BASE}.items()]
    items.insert(min(at, len(items)), ("model", "alias \u00e9"))
    option = orjson.OPT_INDENT_2 if is_indented else 0
    raw = orjson.dumps(dict(items), option=option)
    ask = DIALECTS["anthropic.messages"].decode(Inbound(HEAD, raw))
    assert isinstance(ask.body, Chat)
    sent = PLUGIN.build(call(ask.body, "anthropic.messages", raw=raw, is_verbatim=True), target()).body

    assert sent == orjson.dumps(dict(items) | {"model": "claude-sonnet-5-5"}, option=option)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.data())
def test_a_vendors_bytes_come_back_as_they_were_however_they_arrive(pieces: list[str], data: st.DataObject) -> None:
    body = run(_rendered([*[TextDelta(piece) for piece in pieces], Done()], stream=True))
    noise = data.draw(st.sampled_from([b"", b": keep-alive\n\n", b"event: later\ndata: {}\r\n\r\n"]))
    body = noise + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    asked = call(Chat(()), "anthropic.messages", stream=True, is_verbatim=True)
    rendered = run(_through(asked, chunks))

    assert rendered == body


# ---------------------------------------------------------------- events, there and back

vendors = st.sampled_from(["anthropic", "gemini"])
said = st.one_of(
    st.builds(TextDelta, st.text(min_size=1, max_size=5)),
    st.builds(lambda t: ThinkingDelta(t, "sig", vendor="anthropic", is_new=True), st.text(min_size=1, max_size=5)),
    st.builds(lambda t: ThinkingDelta(t, is_redacted=True, vendor="anthropic", is_new=True), texts),
    st.builds(
        lambda a: ToolDelta(0, orjson.dumps(a).decode(), "id", "name"), st.dictionaries(texts, texts, max_size=2)
    ),
)


@given(st.lists(said, max_size=8), st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
def test_a_stream_and_a_whole_message_say_the_same_as_the_events(events: list[Event], reason: Any) -> None:
    position = -1
    numbered: list[Event] = []
    for event in events:
        if isinstance(event, ToolDelta):
            position += 1
            event = replace(event, position=position, id=f"id{position}")
        numbered.append(event)
    units = Units(input_tokens=9, cached_input_tokens=3, cache_write_tokens=2, output_tokens=4, reasoning_tokens=1)
    told = [*numbered, Usage(units), Done(reason)]
    for is_streamed in (False, True):
        body = run(_rendered(told, stream=is_streamed))
        read = run(_parsed(body, stream=is_streamed))
        assert _joined(read) == _joined(told)


def _joined(events: Sequence[Event]) -> list[Any]:
    """The events without regard to how their pieces are cut; estimates are left out."""
    out: list[Any] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, Usage):
            if not event.is_estimated:
                out.append(event)
        elif isinstance(event, TextDelta) and isinstance(last, TextDelta):
            out[-1] = TextDelta(last.text + event.text)
        elif isinstance(event, ThinkingDelta) and isinstance(last, ThinkingDelta) and not event.is_new:
            out[-1] = replace(last, text=last.text + event.text, signature=event.signature or last.signature)
        elif isinstance(event, ToolDelta) and isinstance(last, ToolDelta) and event.id is None:
            out[-1] = replace(last, arguments=last.arguments + event.arguments)
        else:
            out.append(event)
    return out


async def _events(events: Sequence[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def _rendered(events: Sequence[Event], *, stream: bool) -> bytes:
    asked = call(Chat(()), "anthropic.messages", stream=stream)
    rendered = await DIALECTS["anthropic.messages"].encode(asked, _events(events))
    if isinstance(rendered.body, bytes):
        return rendered.body
    return b"".join([chunk async for chunk in rendered.body])


async def _parsed(body: bytes, *, stream: bool) -> list[Event]:
    asked = call(Chat(()), stream=stream)
    return [event async for event in PLUGIN.parse(asked, _response([body], stream=stream))]


async def _through(asked: Call, chunks: Sequence[bytes]) -> bytes:
    rendered = await DIALECTS["anthropic.messages"].encode(asked, PLUGIN.parse(asked, _response(chunks, stream=True)))
    assert not isinstance(rendered.body, bytes)
    return b"".join([chunk async for chunk in rendered.body])


def _response(chunks: Sequence[bytes], *, stream: bool) -> UpstreamResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def close() -> None:
        return

    headers = {"content-type": "text/event-stream" if stream else "application/json"}
    return UpstreamResponse(200, headers, pieces(), close)


# ---------------------------------------------------------------- anything at all


@settings(max_examples=60, deadline=None)
@given(json_values, st.booleans())
def test_an_answer_of_any_json_is_read_or_is_the_vendors_fault(value: Any, is_streamed: bool) -> None:
    kinds = ["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error"]
    values = [value, *[{"type": kind, "message": value, "delta": value, "error": value} for kind in kinds]]
    bodies = [orjson.dumps(item) for item in values]
    bodies += [orjson.dumps({"content": value, "usage": value, "stop_reason": value})]
    messages: list[str] = []
    for body in bodies:
        raw = b"data: %b\n\n" % body if is_streamed else body
        try:
            run(_parsed(raw, stream=is_streamed))
        except GatewayError as error:
            messages.append(error.message)
    assert all(messages)
