"""What the sandbox says in a chat: echo, documentation, tools, structured output, limits, usage."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gateway.errors import UnsupportedByTarget, UpstreamRejected
from gateway.types import (
    Chat,
    Done,
    Event,
    Image,
    Message,
    OutputFormat,
    Text,
    Tool,
    ToolChoice,
    ToolDelta,
    ToolResult,
    ToolUse,
    Units,
    Usage,
)
from plugins.sandbox import PLUGIN
from tests.plugins.sandbox.harness import call_for, chat, events, request_for, target_for, text_of

WEATHER = Tool(
    "get_weather",
    "The weather in a city",
    {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}}},
)
CLOCK = Tool("clock", None, {"type": "object", "properties": {}})


def tool_calls(found: list[Event]) -> list[tuple[str, Any]]:
    """Return (name, arguments) of each tool call."""
    deltas = [event for event in found if isinstance(event, ToolDelta)]
    return [
        (first.name or "", json.loads("".join(part.arguments for part in deltas if part.position == first.position)))
        for first in deltas
        if first.id
    ]


def usage_of(found: list[Event]) -> Units:
    return next(event.units for event in found if isinstance(event, Usage))


def done_of(found: list[Event]) -> list[Done]:
    return [event for event in found if isinstance(event, Done)]


async def test_the_last_user_message_is_repeated() -> None:
    messages = (
        Message("system", (Text("be brief"),)),
        Message("user", (Text("first"),)),
        Message("assistant", (Text("yes"),)),
        Message("user", (Text("Hello "), Text("world"))),
    )
    found = await events(Chat(messages))
    assert text_of(found) == "Hello world"
    assert found[-1] == Done("stop")
    assert usage_of(found) == Units(input_tokens=2 + 2 + 1 + 2 + 2, output_tokens=3)


@settings(max_examples=50, deadline=None)
@example(text="1?")
@given(text=st.text(min_size=1, max_size=300))
async def test_any_text_that_asks_nothing_is_repeated_exactly_and_counted_by_the_rule(text: str) -> None:
    assume("?" not in text or not re.search("[A-Za-z]", text))  # else it may be about the documentation
    found = await events(chat(text))
    tokens = -(-len(text.encode()) // 4)
    assert text_of(found) == text
    assert usage_of(found) == Units(input_tokens=tokens, output_tokens=tokens)


async def test_the_same_call_gets_the_same_answer() -> None:
    body = chat("get weather", tools=(WEATHER,))
    assert await events(body) == await events(body)


async def test_questions_about_the_gateway_are_answered_from_its_documentation() -> None:
    text = text_of(await events(chat("Which voices does the sandbox have?")))
    assert "narrator" in text
    assert "sandbox.md" in text


@pytest.mark.parametrize("text", ["What is the capital of France?", "The sandbox has voices", "How are you?", "?"])
async def test_other_texts_are_repeated(text: str) -> None:
    assert text_of(await events(chat(text))) == text


async def test_a_message_without_text_says_what_it_has() -> None:
    found = await events(Chat((Message("user", (Image(url="https://example.com/a.png"),)),)))
    assert "1 attachment" in text_of(found)
    assert usage_of(found).input_tokens == 85


@pytest.mark.parametrize(
    ("limit", "text", "reason"), [(1, "abcd", "length"), (2, "abcdefgh", "length"), (3, "abcdefghi", "stop")]
)
async def test_output_is_cut_at_the_limit(limit: int, text: str, reason: str) -> None:
    found = await events(chat("abcdefghi", max_output_tokens=limit))
    assert (text_of(found), done_of(found)) == (text, [Done(reason)])  # type: ignore[arg-type]
    assert usage_of(found).output_tokens == limit


async def test_a_limit_never_splits_a_character() -> None:
    found = await events(chat("abc😀", max_output_tokens=1))
    assert text_of(found) == "abc"


async def test_stop_strings_end_the_text_before_them() -> None:
    found = await events(chat("one two three four", stop=("four", " three")))
    assert (text_of(found), found[-1]) == ("one two", Done("stop"))


async def test_every_choice_has_its_text_and_its_end() -> None:
    found = await events(chat("hello", n=3))
    assert [text_of(found, index) for index in range(3)] == ["hello"] * 3
    assert done_of(found) == [Done("stop", 0), Done("stop", 1), Done("stop", 2)]
    assert usage_of(found) == Units(input_tokens=2, output_tokens=6)


@pytest.mark.parametrize("text", ["please call get_weather", "Get weather!", "GET-WEATHER now"])
async def test_a_tool_that_the_text_names_is_called_with_valid_arguments(text: str) -> None:
    found = await events(chat(text, tools=(CLOCK, WEATHER)))
    assert [name for name, _ in tool_calls(found)] == ["get_weather"]
    jsonschema.validate(tool_calls(found)[0][1], WEATHER.parameters)
    assert done_of(found) == [Done("tool_calls")]


@pytest.mark.parametrize("text", ["hello", "forget_weather", "o'clocks"])
async def test_no_tool_is_called_where_none_is_named(text: str) -> None:
    found = await events(chat(text, tools=(WEATHER, CLOCK)))
    assert (tool_calls(found), text_of(found)) == ([], text)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (ToolChoice("auto"), []),
        (ToolChoice("none"), []),
        (ToolChoice("required"), ["get_weather"]),
        (ToolChoice("tool", "clock"), ["clock"]),
    ],
)
async def test_tool_choice_is_honoured(choice: ToolChoice, names: list[str]) -> None:
    found = await events(chat("hello", tools=(WEATHER, CLOCK), tool_choice=choice))
    assert [name for name, _ in tool_calls(found)] == names


@pytest.mark.parametrize(("parallel", "count"), [(None, 2), (True, 2), (False, 1)])
async def test_several_tools_are_called_at_once_unless_that_is_switched_off(parallel: bool | None, count: int) -> None:
    body = chat("use the clock and get_weather", tools=(WEATHER, CLOCK), parallel_tool_calls=parallel)
    found = await events(body)
    assert len(tool_calls(found)) == count
    ids = [event.id for event in found if isinstance(event, ToolDelta) and event.id]
    assert len(set(ids)) == count


@pytest.mark.parametrize("role", ["tool", "user"])
async def test_the_results_of_tools_are_the_next_answer(role: Any) -> None:
    messages = (
        Message("user", (Text("get_weather and clock"),)),
        Message("assistant", (ToolUse("1", "get_weather", "{}"), ToolUse("2", "clock", "{}"))),
        Message(role, (ToolResult("1", (Text("sunny"),)),)),
        Message(role, (ToolResult("2", (Text("noon"),)),)),
    )
    found = await events(Chat(messages, tools=(WEATHER, CLOCK)))
    assert (text_of(found), tool_calls(found)) == ("sunny\nnoon", [])


async def test_a_tool_call_beyond_the_limit_breaks_off() -> None:
    found = await events(chat("get weather", tools=(WEATHER,), max_output_tokens=4))
    arguments = "".join(event.arguments for event in found if isinstance(event, ToolDelta))
    assert len("get_weather" + arguments) == 16
    assert done_of(found) == [Done("length")]


async def test_json_objects_are_objects() -> None:
    found = await events(chat('say "hi"', output_format=OutputFormat("json_object")))
    assert json.loads(text_of(found)) == {"answer": 'say "hi"'}


async def test_json_schemas_are_met() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 12},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True},
            "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
        "required": ["name", "tags", "next"],
        "additionalProperties": False,
    }
    found = await events(chat("who?", output_format=OutputFormat("json_schema", "person", schema)))
    jsonschema.validate(json.loads(text_of(found)), schema)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string", "pattern": "(a)\\1"}, r"escape '\\1'"),
        ({"type": "array", "contains": {"type": "string"}}, "'contains'"),
        ({"$ref": "other.json"}, "other.json"),
    ],
)
async def test_a_schema_that_is_too_hard_is_refused_with_the_reason(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedByTarget, match=message):
        await events(chat("x", output_format=OutputFormat("json_schema", "x", schema)))


async def test_a_tool_choice_without_its_tool_is_refused() -> None:
    with pytest.raises(UpstreamRejected, match="'nothing', which is not among the tools"):
        await events(chat("x", tools=(CLOCK,), tool_choice=ToolChoice("tool", "nothing")))


def test_json_beyond_what_can_be_written_is_refused() -> None:
    deep: Any = {"type": "string"}
    for _ in range(500):
        deep = {"not": deep}
    with pytest.raises(UnsupportedByTarget, match="cannot be written as JSON"):
        request_for(chat("x", output_format=OutputFormat("json_schema", "x", deep)))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"logprobs": True}, "logprobs"), ({"n": 0}, "1 to 128"), ({"n": 129}, "1 to 128"), ({"n": 128}, None)],
)
def test_what_cannot_be_answered_is_refused_before(fields: dict[str, Any], reason: str | None) -> None:
    body = chat("x", **fields)
    refusal = PLUGIN.refusal(call_for(body), target_for(body))
    assert (refusal is None) if reason is None else (reason in (refusal or ""))
