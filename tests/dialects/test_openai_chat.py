"""OpenAI chat completions: any body gives a chat or a complaint that names its field; answers are as OpenAI's are."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sse
from gateway.dialects.openai_chat import OpenAIChat
from gateway.errors import InvalidRequest, RateLimited, UpstreamCut
from gateway.types import (
    Attempt,
    Audio,
    Call,
    Chat,
    Done,
    Event,
    File,
    Image,
    OutputFormat,
    Rendered,
    Text,
    TextDelta,
    ToolChoice,
    ToolDelta,
    ToolResult,
    ToolUse,
    Units,
    Usage,
    Verbatim,
)
from tests.dialects.bodies import NOT_OBJECTS, anything, check_ask_or_named_fault, decode, fault, fault_of
from tests.given import call, inbound, stream

DIALECT = OpenAIChat()
HELLO = [{"role": "user", "content": "hello"}]
PLAIN: dict[str, Any] = {"model": "fast", "messages": HELLO}
RICH: dict[str, Any] = {
    "model": "fast",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Really."}]},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}},
                {"type": "input_audio", "input_audio": {"format": "wav", "data": "UklGRg=="}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a cat"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ],
    "max_completion_tokens": 100,
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["a", "b"],
    "seed": 7,
    "n": 2,
    "frequency_penalty": -1,
    "presence_penalty": 1.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 5,
    "tools": [
        {"type": "function", "function": {"name": "look", "description": "d", "parameters": {}, "strict": True}},
        {"type": "custom", "custom": {"name": "raw"}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "reasoning_effort": "low",
    "user": "u",
    "metadata": {"a": "b"},
}
LEGACY: dict[str, Any] = {
    "model": "fast",
    "messages": [
        *HELLO,
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "a cat"},
    ],
    "functions": [{"name": "look", "parameters": {"type": "object"}}],
    "function_call": {"name": "look"},
}


def chat_of(**fields: Any) -> Chat:
    body = decode(DIALECT, PLAIN | fields).body
    assert isinstance(body, Chat)
    return body


# ---------------------------------------------------------------- what is read


def test_a_rich_request_is_read_whole() -> None:
    ask = decode(DIALECT, RICH)
    chat = ask.body
    assert isinstance(chat, Chat)
    assert (ask.model, ask.stream, chat.wants_usage) == ("fast", True, True)
    assert [message.role for message in chat.messages] == [
        "system", "developer", "user", "assistant", "tool", "assistant",
    ]  # fmt: skip
    assert chat.messages[2].parts == (
        Text("What is this?"),
        Image("image/png", "iVBORw0KGgo=", detail="low"),
        Image(url="https://example.test/a.png"),
        Audio("wav", "UklGRg=="),
        File("a.pdf", "application/pdf", "JVBERi0="),
        File(file_id="file-1"),
    )
    assert chat.messages[3].parts == (ToolUse("c1", "look", '{"a": 1}'),)
    assert chat.messages[4].parts == (ToolResult("c1", (Text("a cat"),)),)
    assert (chat.max_output_tokens, chat.temperature, chat.top_p, chat.stop) == (100, 0.5, 0.9, ("a", "b"))
    assert (chat.seed, chat.n, chat.frequency_penalty, chat.presence_penalty) == (7, 2, -1, 1.5)
    assert (chat.logit_bias, chat.logprobs, chat.top_logprobs) == ({"50256": -100}, True, 5)
    assert [tool.name for tool in chat.tools] == ["look"]
    assert (chat.tool_choice, chat.parallel_tool_calls) == (ToolChoice("tool", "look"), False)
    assert chat.output_format == OutputFormat("json_schema", "s", {"type": "object"})
    assert (chat.reasoning_effort, chat.user, chat.extra) == ("low", "u", {"metadata": {"a": "b"}})


@given(anything((PLAIN, RICH, LEGACY)))
def test_any_body_gives_a_chat_or_a_complaint_that_names_its_field(body: dict[str, Any]) -> None:
    check_ask_or_named_fault(DIALECT, body)


@given(anything((PLAIN, RICH, LEGACY)).map(lambda body: {"messages": HELLO} | body))
def test_any_other_field_too(body: dict[str, Any]) -> None:
    check_ask_or_named_fault(DIALECT, body)


@given(st.binary(max_size=40) | st.sampled_from(NOT_OBJECTS))
def test_no_bytes_are_a_fault_of_ours(body: bytes) -> None:
    """Deep nesting and broken characters among them."""
    with suppress(InvalidRequest):
        DIALECT.decode(inbound(body))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": [1]}, "messages[0]"),
    ({"messages": [*HELLO, {}]}, "messages[1].role"),
    ({"messages": [{"role": "pirate", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
     "messages[0].content[0].image_url.url"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages[0].tool_calls[0].function"),
    ({"messages": [{"role": "assistant", "tool_calls": 5}]}, "messages[0].tool_calls"),
    ({"model": 5}, "model"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": [1]}, "stop[0]"),
    ({"logit_bias": {"a": 101}}, "logit_bias.a"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tool_choice": "maybe"}, "tool_choice"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"reasoning_effort": "huge"}, "reasoning_effort"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param"), WRONG, ids=[f"{param}-{index}" for index, (_, param) in enumerate(WRONG)])
def test_a_wrong_field_is_named_with_its_place(fields: dict[str, Any], param: str) -> None:
    assert fault(DIALECT, PLAIN | fields).param == param


LIMITS: list[tuple[str, list[Any], list[Any]]] = [
    ("temperature", [0, 1, 2], [-0.001, 2.001]),
    ("top_p", [0, 1], [-0.001, 1.001]),
    ("n", [1, 128], [0, 129, 1.5]),
    ("max_tokens", [1, 10**9], [0, -1]),
    ("max_completion_tokens", [1], [0]),
    ("frequency_penalty", [-2, 2], [-2.1, 2.1]),
    ("presence_penalty", [-2, 2], [-2.1, 2.1]),
    ("top_logprobs", [0, 20], [-1, 21]),
    ("seed", [-(2**63), 2**63 - 1], [2**63]),
    ("stop", [[], ["a"] * 4, "a"], [["a"] * 5]),
    ("logit_bias", [{}, {"1": -100}, {"1": 100}], [{"1": -101}, {"1": 101}]),
]


@pytest.mark.parametrize(("name", "right", "wrong"), LIMITS)
def test_a_limit_holds_at_itself_and_not_beyond(name: str, right: list[Any], wrong: list[Any]) -> None:
    for value in [None, *right]:
        assert fault_of(DIALECT, PLAIN | {name: value}) is None, value
    for value in wrong:
        assert fault(DIALECT, PLAIN | {name: value}).param.startswith(name), value  # type: ignore[union-attr]


def test_what_was_not_said_is_not_made_up() -> None:
    chat = chat_of()
    assert chat == Chat(chat.messages)
    assert decode(DIALECT, {"messages": HELLO}).model == ""


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, True),
        ({"stream": True}, False),
        ({"stream": True, "stream_options": None}, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
    ],
)
def test_a_streaming_client_has_to_ask_for_usage(fields: dict[str, Any], wanted: bool) -> None:
    assert chat_of(**fields).wants_usage == wanted


# ---------------------------------------------------------------- what is written


def answered(*, is_streamed: bool = False, wants_usage: bool = True, raw: bytes = b"{}") -> Call:
    made = call(Chat((), wants_usage=wants_usage), stream=is_streamed, raw=raw)
    made.receipt.attempts.append(Attempt("vendor/served-model"))
    return made


async def rendered(asked: Call, *events: Event | BaseException) -> Rendered:
    return await DIALECT.encode(asked, stream(events))


async def text_of(found: Rendered) -> bytes:
    return found.body if isinstance(found.body, bytes) else b"".join([chunk async for chunk in found.body])


async def chunks_of(found: Rendered) -> list[Any]:
    async def once() -> Any:
        yield await text_of(found)

    data = [event.data async for event in sse.read(once())]
    assert data[-1] == b"[DONE]"
    return [orjson.loads(each) for each in data[:-1]]


ANSWER: tuple[Event, ...] = (
    TextDelta("Hel"),
    TextDelta("lo"),
    ToolDelta(0, '{"a"', "c1", "look"),
    ToolDelta(1, "{}", "c2", "go"),
    ToolDelta(0, ":1}"),
    Usage(Units(10, 4, 2, 6, 3)),
    Done("tool_calls"),
)
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 6,
    "total_tokens": 16,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


async def test_a_whole_answer_is_put_together() -> None:
    found = await rendered(answered(), *ANSWER)
    assert found.content_type == "application/json"
    answer = orjson.loads(await text_of(found))
    assert (answer["object"], answer["model"], answer["usage"]) == ("chat.completion", "served-model", USAGE)
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": "Hello",
        "refusal": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
            {"id": "c2", "type": "function", "function": {"name": "go", "arguments": "{}"}},
        ],
    }


async def test_a_streamed_answer_is_the_same_in_pieces() -> None:
    found = await rendered(answered(is_streamed=True), *ANSWER)
    assert found.content_type.startswith("text/event-stream")
    chunks = await chunks_of(found)
    assert len({chunk["id"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": "Hel"}
    assert all("role" not in delta for delta in deltas[1:])
    assert deltas[2]["tool_calls"][0] == {
        "index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a"'},
    }  # fmt: skip
    assert deltas[4]["tool_calls"][0] == {"index": 0, "function": {"arguments": ":1}"}}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]] == [None] * 5 + ["tool_calls"]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], USAGE)
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


async def test_usage_is_streamed_to_who_asked_for_it_only() -> None:
    chunks = await chunks_of(await rendered(answered(is_streamed=True, wants_usage=False), *ANSWER))
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)


async def test_choices_keep_their_index() -> None:
    events = (TextDelta("b", 1), TextDelta("a", 0), Done("stop", 0), Done("length", 1))
    answer = orjson.loads(await text_of(await rendered(answered(), *events)))
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in answer["choices"]] == [
        (0, "a", "stop"), (1, "b", "length"),
    ]  # fmt: skip


async def test_an_empty_answer_has_an_empty_text() -> None:
    answer = orjson.loads(await text_of(await rendered(answered(), Done("length"))))
    assert (answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"]) == ("", "length")


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_vendors_own_bytes_pass_untouched(is_streamed: bool) -> None:
    events = (Verbatim(b"\xff{ ", content_type="text/x"), Usage(Units()), Verbatim(b"}"), Done())
    found = await rendered(answered(is_streamed=is_streamed), *events)
    assert (found.content_type, await text_of(found)) == ("text/x", b"\xff{ }")


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize("first", [TextDelta("a"), Verbatim(b"a")])
async def test_a_cut_passes(is_streamed: bool, first: Event) -> None:
    async def read() -> bytes:
        return await text_of(await rendered(answered(is_streamed=is_streamed), first, UpstreamCut("cut")))

    with pytest.raises(UpstreamCut):
        await read()


def test_an_error_is_openais_before_the_stream_and_in_it() -> None:
    error = RateLimited("slow down", param=None, retry_after_s=3)
    plain = orjson.loads(DIALECT.encode_error(error, "r1", started=False))
    assert plain == {
        "error": {
            "message": "slow down",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
            "request_id": "r1",
        }
    }
    event = sse.parse(DIALECT.encode_error(error, "r1", started=True))
    assert orjson.loads(event.data) == plain
